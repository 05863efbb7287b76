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
// copies it out of there at the same time. See stage.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "node/atomic.hpp"
#include "node/sizes.hpp"

namespace onecopy::node {

enum class HandoffState : std::uint32_t { free, offered, taken, withdrawn, done };

/// What became of a message, for its sender: `failed`, memory of one of the two could not be read
/// or written.
enum class Outcome : std::uint32_t { all_right, failed };

/// How the sender may help. Stored by the receiver when all that belongs to it is written; where it
/// goes back and forth between staging and pushing, by the sender.
enum class Help : std::uint32_t {
    none,
    copying,  ///< straight into the receiver's memory at `target`, which it can map
    writing,  ///< the same by system calls
    staging,  ///< through the stage
    pushing,  ///< that it is at: it claims all the rest
    needed    ///< through the stage, and nobody else can: as soon as it can
};

constexpr Help way_of(std::uint32_t word) noexcept { return static_cast<Help>(word & 0xff); }
constexpr std::uint32_t word_of(Help way, std::uint32_t before = 0,
                                bool given_back = false) noexcept {
    return (before & ~0xffU) + (given_back ? 0x100U : 0U) + static_cast<std::uint32_t>(way);
}

/// Blocks of the job's memory: the slots of a stage, see stage.hpp.
using StageSlots = std::array<std::uint32_t, stage_slots>;

struct alignas(64) Handoff {
    Atomic<HandoffState> state;
    Plain<Outcome> outcome;       ///< the receiver's; before `done`
    Plain<std::uint64_t> target;  ///< where the bytes go, in the receiver's process
    Plain<std::uint64_t> bytes;   ///< how many
    Atomic<std::uint64_t> next;
    Atomic<std::uint64_t> helped;
    /// Whether the helper could not copy what it had claimed; before `helped` counts it.
    Atomic<std::uint32_t> spoiled;

    /// A Help, and above it how often the sender has given back: whoever reads `left` reads this
    /// before and after.
    Atomic<std::uint32_t> help;
    Plain<StageSlots> slots;
    Plain<std::uint32_t> slot_count;  ///< of these, the first so many are used
    /// What the sender had claimed and leaves to the receiver; before `help` goes back to staging.
    /// None if both are equal, which only the receiver brings about.
    Atomic<std::uint64_t> left_from, left_to;

    [[nodiscard]] Help way() const noexcept { return way_of(help.load(std::memory_order_acquire)); }

    /// The sender's, before it announces the message: all is as at first.
    void offer() noexcept {
        next.store(closed, std::memory_order_relaxed);
        helped.store(0, std::memory_order_relaxed);
        spoiled.store(0, std::memory_order_relaxed);
        help.store(0, std::memory_order_relaxed);
        state.store(HandoffState::offered, std::memory_order_release);
    }

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

    /// The receiver's: it neither reads the sender's memory any more nor this.
    void end(Outcome how) noexcept {
        outcome = how;
        state.store(HandoffState::done, std::memory_order_seq_cst);
    }

    static constexpr std::uint64_t closed = ~std::uint64_t{0} / 2;

    /// The receiver's: from now on both may claim pieces of `count` bytes, which go to `address`.
    void share(std::uint64_t address, std::uint64_t count, Help way = Help::copying) noexcept {
        target = address;
        bytes = count;
        next.store(0, std::memory_order_relaxed);
        help.store(word_of(way), std::memory_order_release);
    }

    /// Claims up to `piece` bytes: where they begin; `bytes` or more if there are none left.
    std::uint64_t claim(std::uint64_t piece) noexcept {
        if (next.load(std::memory_order_acquire) >= bytes) return closed;
        return next.fetch_add(piece, std::memory_order_acq_rel);
    }

    /// Claims half of what nobody has claimed, at most `most` bytes and at least an eighth of that:
    /// a claim takes as long as copying some kilobytes, and whoever copies the last piece is waited
    /// for. Nothing if there is none left.
    struct Part {
        std::uint64_t at, bytes;
    };
    Part claim_half(std::uint64_t most) noexcept {
        const std::uint64_t least = std::max<std::uint64_t>(most / 8, 1);
        std::uint64_t at = next.load(std::memory_order_acquire);
        for (;;) {
            if (at >= bytes) return {closed, 0};
            const std::uint64_t left = bytes - at;
            const std::uint64_t half = (left / 2 + least - 1) / least * least;
            const std::uint64_t part = std::min(std::clamp(half, least, most), left);
            if (next.compare_exchange_weak(at, at + part, std::memory_order_acq_rel,
                                           std::memory_order_acquire)) {
                return {at, part};
            }
        }
    }
};

/// The receiver's part in a copy that is shared.
struct OwnShare {
    std::uint64_t wanted;       ///< as much as both are to copy
    std::uint64_t claimed = 0;  ///< by us
    bool failed = false;        ///< then nobody claims any more

    /// Copies a piece by copy(where, bytes), which says whether it could. `waits`: for the helper;
    /// `over`: all that is wanted, or was claimed when we failed, has been tried.
    enum class Round : std::uint8_t { copied, waits, over };
    template <class Copy>
    Round round(Handoff& shared, std::uint64_t most, const Copy& copy) {
        const auto [at, bytes] =
            failed ? Handoff::Part{Handoff::closed, 0} : shared.claim_half(most);
        if (bytes > 0) {
            claimed += bytes;
            if (!copy(at, bytes)) {
                failed = true;
                // What the helper has, it finishes.
                const std::uint64_t before =
                    shared.next.exchange(Handoff::closed, std::memory_order_acq_rel);
                wanted = std::min(before, wanted);
            }
            return Round::copied;
        }
        const std::uint64_t helpers = wanted - claimed;
        return shared.helped.load(std::memory_order_acquire) < helpers ? Round::waits : Round::over;
    }
};

/// The sender's: copies a piece of what is shared by copy(where, bytes), which says whether it
/// could. Returns how many bytes that were; 0: nothing is left.
template <class Copy>
std::uint64_t help_with(Handoff& shared, std::uint64_t most, const Copy& copy) {
    const auto [at, bytes] = shared.claim_half(most);
    if (bytes == 0) return 0;
    if (!copy(at, bytes)) shared.spoiled.store(1, std::memory_order_relaxed);
    shared.helped.fetch_add(bytes, std::memory_order_seq_cst);
    return bytes;
}

/// Names a hand-off in the job's memory.
struct HandoffName {
    std::uint32_t block;
    std::uint32_t index;
};

}  // namespace onecopy::node
