#include "os/own_memory.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
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
        Fd opened = with_high_number(Fd(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC)));
        if (!opened) return -1;
        const std::uint64_t mine = number << 32 | static_cast<std::uint32_t>(opened.get() + 1);
        if (kept.compare_exchange_strong(known, mine, std::memory_order_acq_rel)) {
            (void)opened.release();
            // The parent's, which this child inherited, stays open: the number may be the program's
            // own by now.
            known = mine;
        }
    }
    return static_cast<int>(static_cast<std::uint32_t>(known)) - 1;
}

/// The declared runs. Written by the threads that make and destroy a GoodMemory, one at a time for
/// each place; read by all. `version` is odd while a place is being written: a reader that sees it
/// odd, or changed afterwards, takes the place for empty. The bounds are atomics because they are
/// read while they are written; their own loads (acquire) stand before the second look.
struct Declared {
    std::atomic<std::uint32_t> version{0};
    std::atomic<std::uintptr_t> begin{0}, end{0};
};
constexpr std::size_t places = 32;
constinit std::array<Declared, places> declared;
/// Places ever used, so that who declared one is asked about one.
constinit std::atomic<std::size_t> used_places{0};
constexpr std::size_t nowhere = places;

void write_place(Declared& place, std::uintptr_t begin, std::uintptr_t end) noexcept {
    // Even to odd was done by who claimed it.
    place.begin.store(begin, std::memory_order_release);
    place.end.store(end, std::memory_order_release);
    place.version.fetch_add(1, std::memory_order_release);
}

bool claim(Declared& place, bool empty) noexcept {
    std::uint32_t version = place.version.load(std::memory_order_acquire);
    if (version % 2 != 0 || (place.end.load(std::memory_order_acquire) == 0) != empty) return false;
    return place.version.compare_exchange_strong(version, version + 1, std::memory_order_acq_rel);
}

}  // namespace

GoodMemory::GoodMemory(std::span<const std::byte> memory) noexcept : place_(nowhere) {
    const auto begin = reinterpret_cast<std::uintptr_t>(memory.data());
    for (std::size_t i = 0; i < places && !memory.empty(); ++i) {
        if (!claim(declared[i], true)) continue;
        write_place(declared[i], begin, begin + memory.size());
        std::size_t used = used_places.load(std::memory_order_relaxed);
        while (used < i + 1 &&
               !used_places.compare_exchange_weak(used, i + 1, std::memory_order_acq_rel)) {
        }
        place_ = i;
        return;
    }
}

GoodMemory::~GoodMemory() {
    if (place_ == nowhere) return;
    claim(declared[place_], false);  // it is ours: nobody else can be writing
    write_place(declared[place_], 0, 0);
}

bool GoodMemory::covers(const void* address, std::size_t bytes) noexcept {
    const auto start = reinterpret_cast<std::uintptr_t>(address);
    const std::size_t used = used_places.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) {
        const Declared& place = declared[i];
        const std::uint32_t version = place.version.load(std::memory_order_acquire);
        const std::uintptr_t begin = place.begin.load(std::memory_order_acquire);
        const std::uintptr_t end = place.end.load(std::memory_order_acquire);
        if (start < begin || start >= end || bytes > end - start) continue;
        if (version % 2 == 0 && place.version.load(std::memory_order_relaxed) == version) {
            return true;
        }
    }
    return false;
}

std::size_t accessible(const void* address, std::size_t bytes, Touch how) noexcept {
    if (GoodMemory::covers(address, bytes)) return bytes;
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
            const auto to = static_cast<std::uintptr_t>(
                error != 0 ? end : std::min<std::uint64_t>(end, map.end));
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
