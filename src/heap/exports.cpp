// The functions that stand in front of libc's. Each asks one question, large or ours, and hands all
// else to the next malloc as it came: so every error, of an alignment that is none, of a product
// that overflows, is that malloc's own.
#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "arena/forks.hpp"
#include "heap/advice.hpp"
#include "heap/next_malloc.hpp"
#include "heap/process_heap.hpp"
#include "heap/reallocate.hpp"

#define ONECOPY_EXPORT extern "C" __attribute__((visibility("default")))

namespace onecopy::heap {
namespace {

constexpr std::size_t page_bytes = 4096;  // what valloc and pvalloc mean on x86-64

/// The product; SIZE_MAX, which is large and never there, if it overflows.
std::size_t product(std::size_t count, std::size_t bytes) noexcept {
    std::size_t whole = 0;
    return __builtin_mul_overflow(count, bytes, &whole) ? SIZE_MAX : whole;
}

/// From the arena, or null. No size near SIZE_MAX comes from there.
void* large_or_null(std::size_t bytes, std::size_t alignment, bool zero) noexcept {
    if (!reach.large(bytes) || !std::has_single_bit(alignment)) return nullptr;
    return allocate_large(bytes, alignment, zero);
}

void* reallocate(void* block, std::size_t bytes) noexcept {
    if (block == nullptr) {
        void* const fresh = large_or_null(bytes, 1, false);
        return fresh != nullptr ? fresh : next().realloc(nullptr, bytes);
    }
    if (reach.ours(block)) {
        if (bytes != 0) return reallocate_ours(block, bytes);
        free_ours(block);
        return nullptr;
    }
    if (is_bootstrap(block)) {
        void* const moved = next().malloc(bytes);
        if (moved != nullptr) std::memcpy(moved, block, std::min(bytes, bootstrap_size(block)));
        return moved;
    }
    if (reach.large(bytes)) return reallocate_to_large(block, bytes);
    return next().realloc(block, bytes);
}

}  // namespace
}  // namespace onecopy::heap

using namespace onecopy::heap;

ONECOPY_EXPORT void* malloc(std::size_t bytes) noexcept {
    onecopy::arena::settle_after_fork();
    void* const block = large_or_null(bytes, 1, false);
    return block != nullptr ? block : next().malloc(bytes);
}

ONECOPY_EXPORT void free(void* block) noexcept {
    onecopy::arena::settle_after_fork();
    if (reach.ours(block)) {
        free_ours(block);
    } else if (!is_bootstrap(block)) {
        next().free(block);
    }
}

ONECOPY_EXPORT void* calloc(std::size_t count, std::size_t bytes) noexcept {
    void* const block = large_or_null(product(count, bytes), 1, true);
    return block != nullptr ? block : next().calloc(count, bytes);
}

ONECOPY_EXPORT void* realloc(void* block, std::size_t bytes) noexcept {
    return reallocate(block, bytes);
}

ONECOPY_EXPORT void* reallocarray(void* block, std::size_t count, std::size_t bytes) noexcept {
    const std::size_t whole = product(count, bytes);
    if (whole != SIZE_MAX) return reallocate(block, whole);
    errno = ENOMEM;
    return nullptr;
}

ONECOPY_EXPORT void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
    void* const block = large_or_null(bytes, alignment, false);
    return block != nullptr ? block : next().memalign(alignment, bytes);
}

ONECOPY_EXPORT void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
    void* const block = large_or_null(bytes, alignment, false);
    return block != nullptr ? block : next().aligned_alloc(alignment, bytes);
}

ONECOPY_EXPORT int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) noexcept {
    if (alignment % sizeof(void*) == 0) {
        if (void* const found = large_or_null(bytes, alignment, false)) {
            *block = found;
            return 0;
        }
    }
    return next().posix_memalign(block, alignment, bytes);
}

ONECOPY_EXPORT void* valloc(std::size_t bytes) noexcept {
    void* const block = large_or_null(bytes, page_bytes, false);
    return block != nullptr ? block : next().valloc(bytes);
}

ONECOPY_EXPORT void* pvalloc(std::size_t bytes) noexcept {
    void* const block = large_or_null(bytes, page_bytes, false);
    return block != nullptr ? block : next().pvalloc(bytes);
}

ONECOPY_EXPORT std::size_t malloc_usable_size(void* block) noexcept {
    if (reach.ours(block)) return size_of_ours(block);
    if (block != nullptr && is_bootstrap(block)) return bootstrap_size(block);
    return next().malloc_usable_size(block);
}

ONECOPY_EXPORT int madvise(void* address, std::size_t bytes, int advice) noexcept {
    return advise(address, bytes, advice);
}

ONECOPY_EXPORT int malloc_trim(std::size_t pad) noexcept {
    const int ours = trim() ? 1 : 0;
    return next().malloc_trim(pad) | ours;
}

ONECOPY_EXPORT int mlockall(int flags) noexcept {
    // The arena is as large as the machine's memory, and locking it would bring all of it into
    // being: what is there gets locked as it is touched, and where everything to come is to be
    // locked at once, no arena is made any more.
    if (heap() != nullptr) return next().mlockall(flags | MCL_ONFAULT);
    if ((flags & MCL_FUTURE) != 0) reach.threshold_bytes.store(SIZE_MAX, std::memory_order_relaxed);
    return next().mlockall(flags);
}
