// Two arenas for `onecopy bench transfer`: one of the sender, one of the receiver, each mapped by
// the other.
//
// They are made behind the fork of the ranks, since a fork gives an arena's child a copy. So the
// descriptors cannot be inherited, and each side knocks at the other's door, as a stranger would.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "cli/bench_ways.hpp"
#include "onecopy/arena.hpp"
#include "onecopy/attachment.hpp"
#include "onecopy/handover.hpp"
#include "onecopy/process.hpp"

namespace onecopy::cli {

/// What the two sides tell each other, in memory that both have mapped. Zero bytes are a fresh one
/// (but for the secret).
///
///   door, block   of that side's arena        stored by the side before `state`
///   state         how far that side has come  stored by the side, loaded by the other
///
/// (A) publish: a side's door and block are written before the state that announces them.
struct ArenaMeeting {
    enum class State : int { absent, door_open, attached, failed };

    struct Half {
        std::atomic<State> state{State::absent};
        std::array<char, 128> door{};
        std::uint64_t block = 0;
    };

    JobSecret secret{};  // written before the fork
    std::array<Half, 2> halves;
};

/// What one process has of the two arenas. Made before the fork, opened behind it.
class ArenaPair {
public:
    /// Each arena has two blocks: with one for all ways, a message of 64 KiB that one side copies
    /// took 0.16 us longer whenever the cooperative way took turns with it, and memcpy, whose
    /// buffers are its own, did not.
    enum class Block { one_writes, both_write };

    /// `bytes`: of each block. `meeting` is borrowed.
    ArenaPair(ArenaMeeting& meeting, std::size_t bytes)
        : meeting_(&meeting), bytes_((bytes + 4095) / 4096 * 4096) {}

    /// Makes this side's arena and attaches to the other's, which must be at it too; once, then
    /// nothing. `peer` is the other process, whose number is held. Throws Refused.
    void open(Side side, pid_t peer);

    /// A block in our own arena, touched.
    [[nodiscard]] std::span<std::byte> mine(Block block) const noexcept {
        return mine_.subspan(start_of(block), bytes_);
    }

    /// Where the peer's block stands in the peer.
    [[nodiscard]] std::uint64_t theirs(Block block) const noexcept {
        return theirs_ + start_of(block);
    }

    /// The peer's block, as mapped here.
    [[nodiscard]] std::span<std::byte> theirs_here(Block block) const noexcept {
        return view_.bytes().subspan(start_of(block), bytes_);
    }

    /// The peer, served by its arena.
    [[nodiscard]] const Process& peer() const noexcept { return *peer_; }

private:
    [[nodiscard]] std::size_t start_of(Block block) const noexcept {
        return block == Block::one_writes ? 0 : bytes_;
    }
    void make_and_attach(Side side, pid_t peer);
    void attach_to(const ArenaMeeting::Half& half);

    ArenaMeeting* meeting_;
    std::size_t bytes_;
    std::string refusal_;
    std::optional<Arena> arena_;
    std::optional<Windows> windows_;
    std::optional<Attachment> attachment_;
    std::optional<Process> peer_;
    View view_;
    std::span<std::byte> mine_;
    std::uint64_t theirs_ = 0;
};

}  // namespace onecopy::cli
