// Where remote bytes stay, in cache, until they are combined.
#pragma once

#include <cstddef>

namespace onecopy::reduction {

/// Bytes of one tile: what one system call fetches. Large enough that the call's fixed cost (and
/// that of the check behind it, whose memory the copy has driven out of the cache) disappears,
/// small enough to stay in the second-level cache together with the local bytes it meets: half of
/// that cache, but never less than 256 KiB or more than 512. The same for the life of the process.
/// docs/decisions/010-reduction-kernels.md has the measurement.
std::size_t tile_bytes() noexcept;

/// Borrows room for the length of a transfer: one mapping of two tiles that each thread keeps from
/// its first large reduction to its end (pages that were never used cost nothing), or a mapping of
/// its own, given back at once, where that is taken (a caller's function may itself reduce) or too
/// small (one element larger than a tile).
///
/// Not on the stack: a thread may have 32 KiB. Not from malloc: a block of this size would be
/// mapped, faulted in page by page and unmapped at every call, and the malloc of a preloaded
/// library may itself stand on ours.
class Room {
public:
    /// Inline where the thread has its room already: the commonest case, between two system calls.
    explicit Room(std::size_t bytes) noexcept {
        if (thread_room_ == nullptr || taken_ || bytes > 2 * tile_bytes()) {
            find(bytes);
        } else {
            data_ = thread_room_;
            taken_ = true;
        }
    }
    Room(const Room&) = delete;
    Room& operator=(const Room&) = delete;
    ~Room() {
        if (own_bytes_ != 0) {
            give_back();
        } else if (data_ != nullptr) {
            taken_ = false;
        }
    }

    /// Page-aligned; null if the system has no memory.
    [[nodiscard]] std::byte* data() const noexcept { return data_; }

private:
    struct AtThreadEnd;
    void find(std::size_t bytes) noexcept;
    void give_back() noexcept;

    /// The thread's room. No destructors: destructors of other thread-local objects may still
    /// reduce after ours have run, and find the room taken for good.
    static constinit inline thread_local std::byte* thread_room_ = nullptr;
    static constinit inline thread_local bool taken_ = false;

    std::byte* data_ = nullptr;
    std::size_t own_bytes_ = 0;  // of our own mapping; 0 when it is the thread's
};

}  // namespace onecopy::reduction
