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
/// Not on the stack: a thread may have 16 KiB. Not from malloc: a block of this size would be
/// mapped, faulted in page by page and unmapped at every call, and the malloc of a preloaded
/// library may itself stand on ours.
class Room {
public:
    explicit Room(std::size_t bytes) noexcept;
    Room(const Room&) = delete;
    Room& operator=(const Room&) = delete;
    ~Room();

    /// Page-aligned; null if the system has no memory.
    [[nodiscard]] std::byte* data() const noexcept { return data_; }

private:
    std::byte* data_ = nullptr;
    std::size_t own_bytes_ = 0;  // of our own mapping; 0 when it is the thread's
};

}  // namespace onecopy::reduction
