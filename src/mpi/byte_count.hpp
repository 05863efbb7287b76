// A number of bytes as users write it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace onecopy::mpi {

/// 65536, 64K, 64Ki, 64KB, 64KiB; also M and G; always powers of 1024, up to 1 PiB. Empty for
/// anything else. What the tool's --sizes take, and 0.
std::optional<std::uint64_t> byte_count(std::string_view text) noexcept;

}  // namespace onecopy::mpi
