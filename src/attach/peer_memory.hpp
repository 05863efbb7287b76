// Memory of a target that is mapped here, as the attach layer sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace onecopy::attach {

/// Given by the layer above. Implementations may be asked by any number of threads.
class PeerMemory {
public:
    PeerMemory() = default;
    PeerMemory(const PeerMemory&) = delete;
    PeerMemory& operator=(const PeerMemory&) = delete;
    virtual ~PeerMemory() = default;

    /// What is mapped of the target's memory from `address` on: its bytes here, at most `bytes`,
    /// and what keeps them mapped. No bytes: it is not memory of that kind, or cannot be mapped
    /// now.
    struct Reach {
        std::span<std::byte> bytes;
        std::shared_ptr<const void> hold;
    };
    [[nodiscard]] virtual Reach reach(std::uint64_t address, std::uint64_t bytes) noexcept = 0;

    /// Whether its owner certainly still runs the program whose memory this is. For nothing; what
    /// is uncertain must be found out in another way.
    [[nodiscard]] virtual bool owner_is_here() const noexcept = 0;
};

}  // namespace onecopy::attach
