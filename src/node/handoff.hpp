// One large message between the moment it is announced and the moment its sender may use its memory
// again: a line of shared memory that sender and receiver both see.
//
//   state   offered by the sender; then whoever is first turns it: the receiver to taken, the
//           sender to withdrawn. From taken only the receiver turns it on: to done.
//
// So a sender that gives up (a rank of the communicator has died) knows whether anybody reads its
// memory: after it has withdrawn, nobody does and nobody will; if it comes too late, the receiver
// is at work and says when it is done, or dies.
//
// Both may copy. A receiver that wants help stores what the sender must know, then in which way it
// may help, and then both claim pieces of the message:
//   next    bytes that are claimed   added to by both; closed (all bits) when nobody may claim
//   helped  bytes that the sender has copied   added to by the sender after each piece (release)
// What the receiver claimed it knows itself, so the rest of what is claimed is the helper's, and it
// is over when `helped` says as much. A claim is taken back only from a dead helper.
//
// Where the receiver cannot map the sender's memory, helping is something else: the sender copies
// what it claims into a stage, slots of some kilobytes that stay in the caches, and the receiver
// copies it out of there at the same time. See staged.cpp.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace onecopy::node {

enum class HandoffState : std::uint32_t { free, offered, taken, withdrawn, done };

/// What became of a message, for its sender: `failed`, memory of one of the two could not be read
/// or written.
enum class Outcome : std::uint32_t { all_right, failed };

/// How the sender may help. Stored by the receiver when all that belongs to it is written; where it
/// goes back and forth between staging and pushing, by the sender.
enum class Help : std::uint32_t {
    none,
    copying,  ///< straight into the receiver's memory at `target`
    staging,  ///< through the stage
    pushing,  ///< that it is at: it claims all the rest
    needed    ///< through the stage, and nobody else can: as soon as it can
};

constexpr Help way_of(std::uint32_t word) noexcept { return static_cast<Help>(word & 0xff); }
constexpr std::uint32_t word_of(Help way, std::uint32_t before = 0,
                                bool given_back = false) noexcept {
    return (before & ~0xffU) + (given_back ? 0x100U : 0U) + static_cast<std::uint32_t>(way);
}

inline constexpr std::size_t stage_slots = 8;

/// A block of the job's memory, the receiver's. `full` is stored by the sender when the rest is
/// written (release), and taken back by the receiver when it is read (release).
struct StageSlot {
    static constexpr std::size_t bytes_at_most = std::size_t{32} << 10;
    std::atomic<std::uint32_t> full;
    std::uint32_t bytes;
    std::uint64_t offset;  ///< in the message
    alignas(64) std::byte data[bytes_at_most];
};

struct alignas(64) Handoff {
    std::atomic<HandoffState> state;
    Outcome outcome;       ///< the receiver's; before `done`
    std::uint64_t target;  ///< where the bytes go, in the receiver's process
    std::uint64_t bytes;   ///< how many
    std::atomic<std::uint64_t> next;
    std::atomic<std::uint64_t> helped;
    /// Whether the helper could not copy what it had claimed; before `helped` counts it.
    std::atomic<std::uint32_t> spoiled;

    /// A Help, and above it how often the sender has given back: whoever reads `left` reads this
    /// before and after.
    std::atomic<std::uint32_t> help;
    std::array<std::uint32_t, stage_slots> slots;  ///< of the stage: blocks
    /// What the sender had claimed and leaves to the receiver; before `help` goes back to staging.
    /// None if both are equal, which only the receiver brings about.
    std::atomic<std::uint64_t> left_from, left_to;

    [[nodiscard]] Help way() const noexcept { return way_of(help.load(std::memory_order_acquire)); }

    /// From offered to taken, or to withdrawn: whether it was we who turned it. If not, `seen` is
    /// what it was.
    bool turn(HandoffState to, HandoffState& seen) noexcept {
        seen = HandoffState::offered;
        return state.compare_exchange_strong(seen, to, std::memory_order_acq_rel);
    }
    bool take() noexcept {
        HandoffState seen{};
        return turn(HandoffState::taken, seen);
    }

    static constexpr std::uint64_t closed = ~std::uint64_t{0} / 2;

    /// Claims up to `piece` bytes: where they begin; `bytes` or more if there are none left.
    std::uint64_t claim(std::uint64_t piece) noexcept {
        if (next.load(std::memory_order_acquire) >= bytes) return closed;
        return next.fetch_add(piece, std::memory_order_acq_rel);
    }
};

/// Names a hand-off in the job's memory.
struct HandoffName {
    std::uint32_t block;
    std::uint32_t index;
};

}  // namespace onecopy::node
