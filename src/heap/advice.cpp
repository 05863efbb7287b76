#include "heap/advice.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "arena/forks.hpp"
#include "heap/next_malloc.hpp"
#include "heap/process_heap.hpp"

namespace onecopy::heap {
namespace {

struct Range {
    std::uintptr_t begin, end;
    [[nodiscard]] bool empty() const noexcept { return begin >= end; }
};

int real_advice(Range range, int advice) noexcept {
    return next().madvise(reinterpret_cast<void*>(range.begin), range.end - range.begin, advice);
}

/// Whether the descriptor is still the arena's: a program may close all that it does not know, and
/// open another file under that number.
bool is_arena(int fd, std::size_t arena_bytes) noexcept {
    struct stat facts {};
    if (::fstat(fd, &facts) != 0 || static_cast<std::size_t>(facts.st_size) != arena_bytes) {
        return false;
    }
    return ::fcntl(fd, F_GET_SEALS) > 0;
}

/// The same in a child by fork, whose arena is private memory (arena/forks.hpp), in part a private
/// mapping of its parent's file: what is only dropped there would show the parent's bytes again.
int replace(Range range) noexcept {
    arena::wait_for_our_parent();
    void* const at = ::mmap(reinterpret_cast<void*>(range.begin), range.end - range.begin,
                            PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (at == MAP_FAILED) return -1;
    statistics.returned(range.end - range.begin);
    return 0;
}

/// Takes the memory of whole pages of the arena away.
int remove(Range range) noexcept {
    if (heap()->space().fd() < 0) return replace(range);
    const int error_before = errno;
    if (real_advice(range, MADV_REMOVE) == 0) {
        statistics.returned(range.end - range.begin);
        return 0;
    }
    // MADV_REMOVE minds the protection of the pages, MADV_DONTNEED does not.
    const std::uintptr_t begin = reach.begin.load(std::memory_order_relaxed);
    const int fd = heap()->space().fd();
    if (errno != EACCES || !is_arena(fd, reach.bytes.load(std::memory_order_relaxed)) ||
        ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(range.begin - begin),
                    static_cast<off_t>(range.end - range.begin)) != 0) {
        return -1;
    }
    errno = error_before;
    statistics.returned(range.end - range.begin);
    return 0;
}

}  // namespace

int advise(void* address, std::size_t bytes, int advice) noexcept {
    const std::uintptr_t arena_begin = reach.begin.load(std::memory_order_relaxed);
    const std::uintptr_t arena_end = arena_begin + reach.bytes.load(std::memory_order_acquire);
    const std::size_t page = heap() != nullptr ? heap()->space().page_bytes() : 1;
    const auto begin = reinterpret_cast<std::uintptr_t>(address);
    const std::uintptr_t end = (begin + bytes + page - 1) & ~(page - 1);
    const Range inside{std::max(begin, arena_begin), std::min(end, arena_end)};
    if (inside.empty() || begin % page != 0 || end <= begin) {
        return next().madvise(address, bytes, advice);
    }
    if (advice == MADV_REMOVE) {  // the arena itself, mostly
        const int result = next().madvise(address, bytes, advice);
        if (result == 0) statistics.returned(inside.end - inside.begin);
        return result;
    }
    if (advice != MADV_DONTNEED && advice != MADV_FREE) {
        return next().madvise(address, bytes, advice);
    }
    // As the kernel: holes (ENOMEM) do not stop it, any other error does.
    int holes = 0;
    const Range before{begin, inside.begin}, after{inside.end, end};
    for (const Range& part : {before, inside, after}) {
        if (part.empty()) continue;
        const bool ours = part.begin == inside.begin;
        if ((ours ? remove(part) : real_advice(part, advice)) == 0) continue;
        if (errno != ENOMEM) return -1;
        holes = ENOMEM;
    }
    if (holes == 0) return 0;
    errno = holes;
    return -1;
}

}  // namespace onecopy::heap
