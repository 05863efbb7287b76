// What all rooms above say of errors in the same way.
#pragma once

#include <system_error>

namespace onecopy::os {

/// Where nothing may be thrown.
inline std::error_code no_memory() noexcept {
    return std::make_error_code(std::errc::not_enough_memory);
}

/// For those forms of calls that throw what the others report.
inline void throw_if(const std::error_code& error, const char* what) {
    if (error) throw std::system_error(error, what);
}

}  // namespace onecopy::os
