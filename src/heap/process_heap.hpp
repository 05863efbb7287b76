// The heap of this process: made when the first large block is asked for, or never.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "heap/heap.hpp"
#include "heap/statistics.hpp"

namespace onecopy::heap {

/// What every malloc and free of the process looks at. Plain words, constant before our constructor
/// has run: then nothing is large and nothing is ours.
///
/// (A) `begin` is stored before `bytes`, and `bytes` is loaded first: who sees a length sees where
/// it begins, and nobody takes low addresses for ours. A thread that frees a block of ours has it
/// from the thread that got it, by whatever way, and with it all that one had seen: so it sees
/// both, and the heap.
struct Reach {
    std::atomic<std::size_t> threshold_bytes{SIZE_MAX};
    std::atomic<std::uintptr_t> begin{0};
    std::atomic<std::size_t> bytes{0};

    [[nodiscard]] bool large(std::size_t wanted) const noexcept {
        return wanted >= threshold_bytes.load(std::memory_order_relaxed);
    }
    [[nodiscard]] bool ours(const void* address) const noexcept {
        const std::size_t length = bytes.load(std::memory_order_acquire);  // pairs with (A)
        return reinterpret_cast<std::uintptr_t>(address) - begin.load(std::memory_order_relaxed) <
               length;
    }
};
extern constinit Reach reach;

extern constinit Statistics statistics;

/// The heap; null while there is none.
Heap* heap() noexcept;

/// A large block from the arena, as Heap::allocate(); null if the next malloc has to serve. Makes
/// the heap if nobody has.
void* allocate_large(std::size_t bytes, std::size_t alignment, bool zero,
                     std::size_t spare_bytes = 0) noexcept;

/// Frees a block that is ours. Ends the process with one line if none starts there.
void free_ours(void* block) noexcept;

/// The size of a block that is ours; 0 if none starts there.
std::size_t size_of_ours(const void* block) noexcept;

/// Makes it longer or shorter where it stands; false if it cannot be.
bool resize_ours(void* block, std::size_t bytes) noexcept;

/// Registers what a fork does to us, once.
void handle_forks();

/// Gives all memory of freed blocks back; whether there was any.
bool trim() noexcept;

/// Ends the process: the program has done `what` ("free") with an address that is no block.
[[noreturn]] void bad_address(const char* what, const void* address) noexcept;

}  // namespace onecopy::heap
