#include "os/own_memory.hpp"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>

#include "os/fd.hpp"
#include "os/maps.hpp"
#include "os/process_number.hpp"

namespace onecopy::os {
namespace {

/// A descriptor on our own maps; -1 if there is none. It is bound to the memory it was opened on,
/// so a forked child opens another one. Kept for the life of the process.
int own_maps() noexcept {
    // The process's number in the upper half, the descriptor and one in the lower.
    static constinit std::atomic<std::uint64_t> kept{0};
    const std::uint64_t number = process_number();
    std::uint64_t known = kept.load(std::memory_order_acquire);
    if (number == 0) return -1;
    while (known >> 32 != number) {
        Fd opened(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
        if (!opened) return -1;
        const std::uint64_t mine = number << 32 | static_cast<std::uint32_t>(opened.get() + 1);
        if (kept.compare_exchange_strong(known, mine, std::memory_order_acq_rel)) {
            (void)opened.release();
            // The parent's, which this child inherited and nobody asks any more.
            const Fd old(static_cast<int>(static_cast<std::uint32_t>(known)) - 1);
            known = mine;
        }
    }
    return static_cast<int>(static_cast<std::uint32_t>(known)) - 1;
}

}  // namespace

std::size_t accessible(const void* address, std::size_t bytes, Touch how) noexcept {
    const auto start = reinterpret_cast<std::uintptr_t>(address);
    const auto end = start + std::min<std::uintptr_t>(bytes, UINTPTR_MAX - start);
    const int maps = own_maps();
    std::uintptr_t at = start;
    while (at < end) {
        Map map;
        const int error = maps < 0 ? ENOTTY : query_map(maps, at, map);
        if (error == ENOENT) return at - start;
        const bool of_a_file = map.inode != 0 || map.device_major != 0 || map.device_minor != 0;
        if (error != 0 || of_a_file) {
            // To the end of that mapping, or of all.
            const std::uintptr_t to = error != 0 ? end : std::min<std::uint64_t>(end, map.end);
            const std::size_t good = touchable(reinterpret_cast<const void*>(at), to - at, how);
            if (good < to - at) return at - start + good;
            at = to;
            continue;
        }
        if (!(how == Touch::write ? map.writable && map.readable : map.readable)) return at - start;
        at = static_cast<std::uintptr_t>(std::min<std::uint64_t>(end, map.end));
    }
    return end - start;
}

}  // namespace onecopy::os
