#include "heap/reallocate.hpp"

#include <algorithm>
#include <cstring>

#include "heap/next_malloc.hpp"
#include "heap/process_heap.hpp"

namespace onecopy::heap {
namespace {

/// What a malloc may add to the size it was asked for.
constexpr std::size_t most_rounding_bytes = 64;

void* moved_to_next(void* block, std::size_t kept_bytes, std::size_t bytes) noexcept {
    void* const moved = next().malloc(bytes);
    if (moved == nullptr) return nullptr;
    std::memcpy(moved, block, kept_bytes);
    free_ours(block);
    return moved;
}

void* grown_elsewhere(void* block, std::size_t before, std::size_t bytes) noexcept {
    // A block that had to move to grow will probably grow again: with as much to spare as it has,
    // all its moves together copy it twice, however short its steps are.
    void* const moved = allocate_large(bytes, 1, false, bytes);
    if (moved == nullptr) return moved_to_next(block, before, bytes);
    std::memcpy(moved, block, before);
    free_ours(block);
    return moved;
}

}  // namespace

void* reallocate_ours(void* block, std::size_t bytes) noexcept {
    const std::size_t before = size_of_ours(block);
    if (before == 0) bad_address("realloc", block);
    const std::size_t threshold = reach.threshold_bytes.load(std::memory_order_relaxed);
    if (bytes < threshold / 2) {  // half: a block that swings around the threshold stays
        void* const moved = moved_to_next(block, bytes, bytes);
        if (moved != nullptr) return moved;
    }
    if (resize_ours(block, bytes)) return block;
    if (bytes <= before) return block;
    return grown_elsewhere(block, before, bytes);
}

void* reallocate_to_large(void* block, std::size_t bytes) noexcept {
    const std::size_t before = next().malloc_usable_size(block);
    // One that was large before is there because the arena had no room; libc moves its pages
    // without a copy.
    if (before >= reach.threshold_bytes.load(std::memory_order_relaxed) + most_rounding_bytes) {
        return next().realloc(block, bytes);
    }
    void* const moved = allocate_large(bytes, 1, false);
    if (moved == nullptr) return next().realloc(block, bytes);
    std::memcpy(moved, block, std::min(before, bytes));
    next().free(block);
    return moved;
}

}  // namespace onecopy::heap
