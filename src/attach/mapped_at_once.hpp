// The common case of a copy from or to memory of the target that is mapped here, written flat: one
// run on each side, our own in memory that is known to be good, the owner known to be there.
//
// Nothing here waits or can be cancelled, and no call of the kernel is to be timed: the walk, its
// clock and the list of engines, some 40 ns, would be all that a small copy costs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "attach/engine.hpp"
#include "attach/mapped_copy.hpp"
#include "attach/target.hpp"
#include "os/own_memory.hpp"

namespace onecopy::attach {

/// True if all of the run was copied and is proven to be of the target's own memory image; false if
/// anything was unusual: then the transfer starts over, which it can: it moves the same bytes to
/// the same place, or finds that the owner is gone.
inline bool copy_mapped_at_once(const Target& target, Direction direction, std::uint64_t address,
                                const std::byte* local, std::size_t bytes) noexcept {
    PeerMemory* const memory = target.peer_memory();
    if (memory == nullptr || bytes == 0 || target.is_self()) return false;
    if (!os::GoodMemory::covers(local, bytes) || !memory->owner_is_here()) return false;
    const PeerMemory::Reach there = memory->reach(address, bytes);
    if (there.bytes.size() != bytes) return false;
    copy_mapped(direction, local, there.bytes.data(), bytes);
    return owner_was_here(*memory);
}

}  // namespace onecopy::attach
