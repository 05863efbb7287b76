// A number of bytes as users write it in settings and lists.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace onecopy::os {

/// 65536, 64K, 64Ki, 64KB, 64KiB; also M and G; always powers of 1024, up to 1 PiB. Empty for
/// anything else. (A LENGTH on the tool's command line is read by cli/arguments.hpp: it may be
/// hexadecimal, takes small letters and T, and tells what is too large from what is no number.)
std::optional<std::uint64_t> byte_count(std::string_view text) noexcept;

}  // namespace onecopy::os
