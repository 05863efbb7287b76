// What both ways of copying mapped memory do.
#pragma once

#include <cstddef>
#include <cstring>

#include "attach/engine.hpp"
#include "attach/peer_memory.hpp"
#include "os/fence.hpp"

namespace onecopy::attach {

/// Copies `bytes` between our memory and the target's. `here` is only read for Direction::write.
inline void copy_mapped(Direction direction, const std::byte* here, std::byte* there,
                        std::size_t bytes) noexcept {
    if (direction == Direction::read) {
        std::memcpy(const_cast<std::byte*>(here), there, bytes);
    } else {
        std::memcpy(there, here, bytes);
    }
}

/// Whether what was copied until now was the owner's: its word is looked at once the bytes are
/// here.
inline bool owner_was_here(const PeerMemory& memory) noexcept {
    os::read_fence();
    return memory.owner_is_here();
}

}  // namespace onecopy::attach
