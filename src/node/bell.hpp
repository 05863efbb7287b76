// How a rank sleeps until others have something for it.
//
//   asleep  whether the rank sleeps or is about to   stored by it, loaded by who has news
//   rings   changes when somebody has news           added to by who has news; the rank sleeps on
//   it
//
// The rank stores `asleep`, then looks once more for news, then sleeps if `rings` is what it was
// before. Who has news stores them, then looks at `asleep`. Each writes one word and reads the
// other's: whatever the order, one of the two sees the other, if all four accesses are seq_cst (or
// have a seq_cst fence between them). So no news comes to a sleeper unheard, and news for a rank
// that is awake cost one load of a line that nobody writes.
#pragma once

#include <atomic>
#include <cstdint>

#include "node/atomic.hpp"

namespace onecopy::node {

struct alignas(64) Bell {
    Atomic<std::uint32_t> rings;
    Atomic<std::uint32_t> asleep;

    /// Before the last look for news: what to sleep on. In the end, get_up().
    [[nodiscard]] std::uint32_t lie_down() noexcept {
        asleep.fetch_add(1, std::memory_order_seq_cst);
        const std::uint32_t seen = rings.load(std::memory_order_seq_cst);
        full_fence();
        return seen;
    }
    void get_up() noexcept { asleep.fetch_sub(1, std::memory_order_seq_cst); }

    /// Sleeps, by nap(what `rings` was), unless look() finds something.
    template <class Look, class Nap>
    void sleep(const Look& look, const Nap& nap) {
        const std::uint32_t seen = lie_down();
        if (!look()) nap(seen);
        get_up();
    }

    /// After news were stored with seq_cst.
    void ring_if_asleep() noexcept {
        if (asleep.load(std::memory_order_seq_cst) != 0) ring();
    }
    void ring() noexcept {
        rings.fetch_add(1, std::memory_order_seq_cst);
        futex_wake(rings);
    }
};

}  // namespace onecopy::node
