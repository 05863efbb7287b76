// A peer's arena: its file, where it stands in its owner, and its windows here.
#pragma once

#include <cstdint>
#include <memory>

#include "arena/forks.hpp"
#include "arena/presence.hpp"
#include "arena/window_cache.hpp"
#include "attach/peer_memory.hpp"
#include "os/fd.hpp"

namespace onecopy::arena {

/// Immutable once made, but in a forked child, where nothing of it can be reached; any number of
/// threads.
class PeerArena final : public attach::PeerMemory, private ForkAware {
public:
    /// Throws std::system_error, see Attachment.
    PeerArena(std::shared_ptr<WindowCache> cache, os::Fd file, std::uint64_t base);
    ~PeerArena() override;

    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::uint64_t base() const noexcept { return base_; }
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] std::size_t window_bytes() const noexcept { return cache_->window_bytes(); }

    [[nodiscard]] bool owns(std::uint64_t address, std::uint64_t bytes) const noexcept {
        const std::uint64_t offset = address - base_;
        return address >= base_ && offset <= capacity_ && bytes <= capacity_ - offset;
    }

    /// The window that holds `address`, which must be in the arena, and its bytes from there on, at
    /// most `bytes`; null and errno.
    [[nodiscard]] WindowCache::Found found_at(std::uint64_t address,
                                              std::uint64_t bytes) const noexcept;

    [[nodiscard]] Reach reach(std::uint64_t address, std::uint64_t bytes) noexcept override;

    [[nodiscard]] bool owner_is_here() const noexcept override {
        return file_ && presence_.owner_is_here();
    }

    /// The AT_RANDOM bytes of the owner's program.
    [[nodiscard]] const std::array<std::byte, 16>& program() const noexcept { return program_; }

private:
    void in_child() noexcept override;

    std::shared_ptr<WindowCache> cache_;
    os::Fd file_;
    std::uint64_t base_;
    std::size_t capacity_;
    PeerPresence presence_;
    std::array<std::byte, 16> program_;
    std::uint64_t number_;
};

}  // namespace onecopy::arena
