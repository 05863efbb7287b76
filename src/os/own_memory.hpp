// Whether a run of this process's memory can be copied from or to by the processor itself.
#pragma once

#include <cstddef>

#include "os/touch.hpp"

namespace onecopy::os {

/// How many bytes from `address` on can be read or written without a signal, at most `bytes`.
/// Memory that belongs to no file is asked about by its mapping (0.4 us where the kernel has
/// PROCMAP_QUERY); memory of a file, which may end before its mapping does, and all memory on older
/// kernels by touching it, see touchable(). What another thread unmaps meanwhile is not seen.
/// Any number of threads. Keeps a descriptor of /proc/self/maps.
std::size_t accessible(const void* address, std::size_t bytes, Touch how) noexcept;

}  // namespace onecopy::os
