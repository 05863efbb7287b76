// What a transfer that may stop half-way returns.
#pragma once

#include <cstdint>
#include <system_error>

namespace onecopy {

/// Bytes moved, and what stopped the transfer (empty when it reached the end of the shorter list).
///
/// The count is exact even after an error: everything before it arrived, and a caller may resume
/// there. The error is one of errno's numbers in std::system_category().
struct [[nodiscard]] Transfer {
    std::uint64_t bytes = 0;
    std::error_code error;

    /// True when nothing stopped it.
    explicit operator bool() const noexcept { return !error; }

    /// The bytes moved. Throws std::system_error if an error stopped the transfer.
    std::uint64_t or_throw() const {
        if (error) throw std::system_error(error, "onecopy transfer");
        return bytes;
    }
};

}  // namespace onecopy
