// Slots in the caches through which a large message goes: the sender fills one after the other, the
// receiver empties them in the same order.
//
//   full   whether a slot is   set by the sender when the rest of it is written (release), taken
//                              back by the receiver when it is read (release)
//
// What is to go through the slots, the sender claims (Handoff::next), and may leave before it has
// pushed all of that:
//   left_from, left_to   what it leaves   both stored by the sender; left_from also by the
//   receiver,
//                        which takes it piece by piece
//   help                 staging: whoever comes first claims; pushing: the sender claims, the
//                        receiver only empties slots. Turned by the sender, there and back.
//                        needed: the receiver cannot fetch anything, the sender pushes all. Turned
//                        by the receiver, from staging
//
// (A) The sender stores what it leaves before it turns to staging, and does not turn to pushing
// while anything is left. So whoever reads staging, then what is left, and then the same word once
// more, has read what was left at that time: the word counts how often the sender has left.
// (B) The receiver may still claim while the sender turns to pushing: each claim is one fetch_add.
// (C) A receiver that turns to needed has not taken, and will not take, anything of what is left:
// the sender takes it back. If it comes at that moment and turns to pushing, it finds out later.
// seq_cst is for who sleeps meanwhile (bell.hpp).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "node/atomic.hpp"
#include "node/handoff.hpp"
#include "node/sizes.hpp"

namespace onecopy::node {

/// A block of the job's memory: of the receiver, or of a sender that comes with a stage.
struct StageSlot {
    static constexpr std::size_t bytes_at_most = stage_slot_bytes;
    Atomic<std::uint32_t> full;
    Plain<std::uint32_t> bytes;
    Plain<std::uint64_t> offset;  ///< in the message
    alignas(64) std::byte data[bytes_at_most];
};

// Of the one whose stage it is:

/// After the slots were written down: `bytes` are to come, and how.
inline void open_stage(Handoff& shared, std::uint64_t bytes, Help way) noexcept {
    shared.left_from.store(0, std::memory_order_relaxed);
    shared.left_to.store(0, std::memory_order_relaxed);
    shared.bytes = bytes;
    shared.next.store(0, std::memory_order_relaxed);
    shared.help.store(word_of(way), std::memory_order_seq_cst);
}

// The receiver's:

/// Empties the slots that are full, by take(slot). `slots_used` is how many there were before, and
/// slot_of(that) the next. True if there were any.
template <class SlotOf, class Take>
bool empty_slots(std::uint64_t& slots_used, const SlotOf& slot_of, const Take& take) {
    for (bool any = false;; any = true) {
        StageSlot& one = slot_of(slots_used);
        if (one.full.load(std::memory_order_acquire) == 0) return any;
        take(one);
        one.full.store(0, std::memory_order_seq_cst);
        ++slots_used;
    }
}

struct Range {
    std::uint64_t begin = 0, end = 0;
};

/// While `help` is staging, and was `word`: what to fetch without the sender, up to `piece` bytes:
/// of what it has left, or what nobody has claimed.
inline Range next_by_call(Handoff& shared, std::uint32_t word, std::uint64_t piece) noexcept {
    const std::uint64_t from = shared.left_from.load(std::memory_order_acquire);
    const std::uint64_t to = shared.left_to.load(std::memory_order_acquire);
    // Meanwhile the sender may have come, and left again.
    if (shared.help.load(std::memory_order_acquire) != word) return {};
    if (from < to) {
        const std::uint64_t end = std::min(from + piece, to);
        shared.left_from.store(end, std::memory_order_release);
        return {from, end};
    }
    const std::uint64_t at = shared.claim(piece);
    if (at >= shared.bytes) return {};
    return {at, std::min<std::uint64_t>(at + piece, shared.bytes)};
}

/// While `help` is staging, and was `word`: nothing can be fetched. True if the sender is to be
/// told.
inline bool ask_for_pushing(Handoff& shared, std::uint32_t word) noexcept {
    return shared.help.compare_exchange_strong(word, word_of(Help::needed, word),
                                               std::memory_order_seq_cst);
}

// The sender's:

/// After it was asked to push, (C): what it had left, up to `end`, is no longer left; where it
/// begins.
inline std::uint64_t take_back(Handoff& shared, std::uint64_t end) noexcept {
    const std::uint64_t at = shared.left_from.load(std::memory_order_relaxed);
    shared.left_from.store(end, std::memory_order_relaxed);
    return at;
}

/// Whether the receiver has not yet taken all that was left to it.
inline bool is_anything_left(const Handoff& shared) noexcept {
    return shared.left_from.load(std::memory_order_acquire) <
           shared.left_to.load(std::memory_order_relaxed);
}

/// From staging, as it was in `word`, where nothing is left.
inline void begin_to_push(Handoff& shared, std::uint32_t word) noexcept {
    shared.help.store(word_of(Help::pushing, word), std::memory_order_seq_cst);
}

/// Fills slots as long as they are empty, and there is something to claim. `place` is where it is
/// in the message; fill(slot, bytes) writes that many from there and goes on by as many. `end` is
/// that of what was claimed; claims are of `piece` bytes, and readable(bytes) says whether these
/// can be read. `refused`: that they cannot, nothing of them is pushed.
enum class Pushed : std::uint8_t { nothing, some, refused };
template <class Place, class SlotOf, class Readable, class Fill>
Pushed fill_slots(Handoff& shared, Place& place, std::uint64_t& end, std::uint64_t& slots_used,
                  std::uint64_t piece, std::uint64_t slot_bytes, const SlotOf& slot_of,
                  const Readable& readable, const Fill& fill) {
    for (Pushed so_far = Pushed::nothing;; so_far = Pushed::some) {
        if (place.at() >= end) {
            const std::uint64_t at = shared.claim(piece);
            if (at >= shared.bytes) return so_far;
            end = std::min<std::uint64_t>(at + piece, shared.bytes);
            place.seek(at);
            if (!readable(end - at)) return Pushed::refused;
        }
        StageSlot& one = slot_of(slots_used);
        if (one.full.load(std::memory_order_acquire) != 0) return so_far;
        const std::uint64_t bytes = std::min(slot_bytes, end - place.at());
        one.offset = place.at();
        one.bytes = static_cast<std::uint32_t>(bytes);
        fill(one, bytes);
        one.full.store(1, std::memory_order_seq_cst);
        ++slots_used;
    }
}

/// From pushing: it goes, and leaves what it has claimed from `at` on to the receiver.
inline void leave(Handoff& shared, std::uint64_t at, std::uint64_t end) noexcept {
    shared.left_from.store(at, std::memory_order_release);
    shared.left_to.store(std::max(end, at), std::memory_order_release);
    const std::uint32_t word = shared.help.load(std::memory_order_relaxed);
    shared.help.store(word_of(Help::staging, word, true), std::memory_order_seq_cst);
}

}  // namespace onecopy::node
