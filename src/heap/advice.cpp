#include "heap/advice.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

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

/// Takes the memory of whole pages of the arena away.
int remove(Range range) noexcept {
    const int error_before = errno;
    const int error =
        heap()->space().discard(reinterpret_cast<void*>(range.begin), range.end - range.begin);
    errno = error == 0 ? error_before : error;
    return error == 0 ? 0 : -1;
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
