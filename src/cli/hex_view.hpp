// Bytes as people read them: addresses, hexadecimal digits, text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace onecopy::cli {

/// Turns a run of bytes, handed over in pieces of any size, into lines of 16:
///
///   7ffc10a04ff8                          2f 62 69 6e 2f 73 68 00  |        /bin/sh.|
///   7ffc10a05000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
///   *
///
/// Lines begin at multiples of 16. A `*` stands for lines equal to the one before.
class HexView {
public:
    explicit HexView(std::uint64_t address) noexcept : line_(address & ~std::uint64_t{15}) {
        first_ = last_ = static_cast<std::size_t>(address & 15);
    }

    /// The lines that are complete with these bytes.
    std::string add(std::span<const std::byte> bytes);

    /// The rest: the line begun, and the last one if a `*` hides it.
    std::string finish();

private:
    void emit(std::string& out);

    std::uint64_t line_;     // address of the line being filled
    std::size_t first_ = 0;  // its bytes are cells_[first_, last_)
    std::size_t last_ = 0;
    std::array<std::byte, 16> cells_{};
    std::array<std::byte, 16> before_{};
    bool has_before_ = false;  // before_ is a full line
    bool starred_ = false;     // a `*` was printed, and nothing after it
};

}  // namespace onecopy::cli
