// Blocks of malloc in an arena: what stands between the interposed functions and arena::Space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "arena/space.hpp"
#include "heap/blocks.hpp"
#include "heap/recent.hpp"

namespace onecopy::heap {

/// Hands out blocks and takes them back knowing only their address. A just freed block goes to
/// `Recent`, older ones to the Space, which returns their memory to the system; both by age, so
/// that about a second after it was freed memory is back, if the program goes on allocating. The
/// memory kept is bounded by both together.
///
/// Any number of threads; the lock here is held for tens of nanoseconds, and never while Space is
/// called.
class Heap {
public:
    /// Throws as arena::Space does.
    explicit Heap(const ArenaOptions& options);

    /// A block of at least `bytes` at a multiple of `alignment` (a power of two), zeros if `zero`;
    /// null where the Space says so. `spare_bytes`: so much more, for resize() to grow into, if
    /// there is room; what is never touched costs no memory.
    void* allocate(std::size_t bytes, std::size_t alignment, bool zero,
                   std::size_t spare_bytes = 0) noexcept;

    /// The bytes of the block that starts there; 0 if none does. `address` is the heap's.
    [[nodiscard]] std::size_t size(const void* address) const noexcept {
        return static_cast<std::size_t>(blocks_.at(address).pages * space_.page_bytes());
    }

    /// Its bytes; 0, and nothing happens, if no block starts there.
    std::size_t free(void* address) noexcept;

    /// Makes a block longer or shorter where it stands; false, and it is as before, if it cannot.
    /// Nobody else uses the block meanwhile.
    bool resize(void* block, std::size_t bytes) noexcept;

    /// Gives all that is kept back to the system.
    std::size_t trim() noexcept;

    [[nodiscard]] arena::Space& space() noexcept { return space_; }

    /// Around a fork, so that the lock is free in the child.
    void lock_for_fork() noexcept { lock_.lock(); }
    void unlock_after_fork() noexcept { lock_.unlock(); }

private:
    [[nodiscard]] std::uint64_t pages_of(std::size_t bytes) const noexcept {
        return bytes / space_.page_bytes() + (bytes % space_.page_bytes() != 0 ? 1 : 0);
    }
    void* allocate_pages(std::uint64_t pages, std::size_t alignment, bool zero) noexcept;
    void* from_space(std::size_t bytes, std::size_t alignment, bool zero) noexcept;
    void to_space(FreedBlock block) noexcept;
    bool empty_recent() noexcept;

    arena::Space space_;
    Blocks blocks_;

    std::mutex lock_;  // over the rest
    Recent recent_;
    std::uint64_t space_called_ms_ = 0;
    std::size_t refused_bytes_ = 0;  // the smallest that the Space refused, until:
    std::uint64_t refused_until_ms_ = 0;
};

}  // namespace onecopy::heap
