// How long each block of the arena is.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "os/mapping.hpp"

namespace onecopy::heap {

/// The length of a block: of whole pages.
struct alignas(8) BlockPages {
    std::uint32_t pages = 0;  ///< that it has; 0: there is no block
    std::uint32_t asked = 0;  ///< that were asked for: the rest is there to grow into
};

/// An entry for each page of the arena: of a page that a block starts at, that block's length; of
/// every other page 0. In private memory of its own, of which only the parts in use are there: 8
/// bytes a page, so 2 KiB for 1 MiB of blocks.
///
/// Any number of threads. A block's entry is written by the thread that hands the block out or
/// takes it back, so no order between entries matters; that two threads which free the same block
/// cannot both have it is the exchange in take().
class Blocks {
public:
    /// Pages that can be counted, and so the longest arena.
    static constexpr std::uint64_t most_pages = UINT32_MAX;

    /// Throws std::bad_alloc.
    Blocks(std::span<const std::byte> arena, std::size_t page_bytes);

    /// `block` (in the arena, at the start of a page) now is so long.
    void set(const void* block, BlockPages length) noexcept {
        entry(block).store(length, std::memory_order_relaxed);
    }

    /// The length of the block that starts exactly at this address of the arena.
    [[nodiscard]] BlockPages at(const void* address) const noexcept {
        if (!at_page(address)) return {};
        return entry(address).load(std::memory_order_relaxed);
    }

    /// The same, and from now on no block starts there.
    BlockPages take(const void* address) noexcept {
        if (!at_page(address)) return {};
        return entry(address).exchange({}, std::memory_order_relaxed);
    }

private:
    using Entry = std::atomic<BlockPages>;
    static_assert(Entry::is_always_lock_free && sizeof(Entry) == 8);

    [[nodiscard]] std::size_t offset(const void* address) const noexcept {
        return static_cast<std::size_t>(static_cast<const std::byte*>(address) - start_);
    }
    [[nodiscard]] bool at_page(const void* address) const noexcept {
        return (offset(address) & ((std::size_t{1} << page_shift_) - 1)) == 0;
    }
    [[nodiscard]] Entry& entry(const void* address) const noexcept {
        return reinterpret_cast<Entry*>(memory_.data())[offset(address) >> page_shift_];
    }

    const std::byte* start_;
    unsigned page_shift_;
    os::Mapping memory_;
};

}  // namespace onecopy::heap
