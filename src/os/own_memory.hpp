// Whether a run of this process's memory can be copied from or to by the processor itself.
#pragma once

#include <cstddef>
#include <span>

#include "os/touch.hpp"

namespace onecopy::os {

/// How many bytes from `address` on can be read or written without a signal, at most `bytes`.
/// Memory that belongs to no file is asked about by its mapping (0.4 us where the kernel has
/// PROCMAP_QUERY); memory of a file, which may end before its mapping does, and all memory on older
/// kernels by touching it, see touchable(). What another thread unmaps meanwhile is not seen.
/// Memory declared by a GoodMemory that lives costs nothing.
/// Any number of threads. Keeps a descriptor of /proc/self/maps.
std::size_t accessible(const void* address, std::size_t bytes, Touch how) noexcept;

/// Declares a run of memory that can be read and written for as long as this lives; so the owner of
/// a large mapping saves its users the question. (Some tens at a time; more are not remembered.)
/// Any number of threads may make, destroy and ask at once.
class GoodMemory {
public:
    explicit GoodMemory(std::span<const std::byte> memory) noexcept;
    ~GoodMemory();
    GoodMemory(const GoodMemory&) = delete;
    GoodMemory& operator=(const GoodMemory&) = delete;

    /// Whether all of the run lies in one that is declared.
    static bool covers(const void* address, std::size_t bytes) noexcept;

private:
    std::size_t place_;
};

}  // namespace onecopy::os
