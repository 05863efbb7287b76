// Errors as the numbers that the C API of nodes returns.
#pragma once

#include <cerrno>
#include <new>
#include <system_error>

#include "os/no_cancel.hpp"

namespace onecopy::c_api {

/// 0, -errno, or one of enum onecopy_error.
int number_of(const std::error_code& error) noexcept;

/// Runs `call`, from whose int or exception comes what a C function returns. Nothing else is thrown
/// by the layers: that would be a bug, and ends here. C's threads may be cancelled, and the layers
/// are not to be unwound.
template <class Call>
int guarded(const Call& call) noexcept {
    const os::NoCancel no_cancel;
    try {
        return call();
    } catch (const std::system_error& error) {
        return number_of(error.code());
    } catch (const std::bad_alloc&) {
        return -ENOMEM;
    }
}

}  // namespace onecopy::c_api
