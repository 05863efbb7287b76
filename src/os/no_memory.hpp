// What is said where memory has run out and nothing may be thrown.
#pragma once

#include <system_error>

namespace onecopy::os {

inline std::error_code no_memory() noexcept {
    return std::make_error_code(std::errc::not_enough_memory);
}

}  // namespace onecopy::os
