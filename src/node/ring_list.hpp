// Rings that lead to a rank and that it has not seen yet.
//
//   last   the number of the ring that came last, counted from 1, 0: none. Others push, the rank
//          takes all at once; each ring has the number of the one before (RingMemory::next)
//
// (A) A ring is written before it is pushed (release), and read after it was taken (acquire).
// (B) It is pushed before its first message is announced, both with seq_cst: who lies down and then
// finds neither the one nor the other is seen to be asleep (bell.hpp).
// Nobody takes one of several, so it does no harm that a ring's number may come again.
#pragma once

#include <atomic>
#include <cstdint>

#include "node/atomic.hpp"
#include "node/ring.hpp"

namespace onecopy::node {

/// Zero at first.
struct RingList {
    Atomic<std::uint32_t> last;

    /// `number` (from 0) is the ring's among all; the rest of it is written. Any number of ranks at
    /// a time.
    void push(RingMemory& ring, std::uint32_t number) noexcept {
        std::uint32_t before = last.load(std::memory_order_relaxed);
        do {
            ring.next = before;
        } while (!last.compare_exchange_weak(before, number + 1, std::memory_order_seq_cst,
                                             std::memory_order_relaxed));
    }

    [[nodiscard]] bool empty() const noexcept { return last.load(std::memory_order_relaxed) == 0; }

    /// Calls visit(ring) for each one there is. `ring_of(number)` finds it.
    template <class RingOf, class Visit>
    void take_all(const RingOf& ring_of, const Visit& visit) {
        std::uint32_t number = last.exchange(0, std::memory_order_acquire);
        while (number != 0) {
            RingMemory& ring = ring_of(number - 1);
            visit(ring);
            number = ring.next;
        }
    }
};

}  // namespace onecopy::node
