// How a rank sleeps until others have something for it.
//
//   asleep  whether the rank sleeps or is about to   stored by it, loaded by who has news
//   rings   changes when somebody has news           added to by who has news; the rank sleeps on
//   it
//   fences  whether the rank, before it sleeps,      stored by it, loaded by who has news
//           fences all who may have news
//
// The rank stores `asleep`, then looks once more for news, then sleeps if `rings` is what it was
// before. Who has news stores them, then looks at `asleep`. Each writes one word and reads the
// other's: whatever the order, one of the two sees the other, if there is a full fence between the
// store and the load on both sides. So no news comes to a sleeper unheard.
//
// On the side of who has news such a fence costs more than all the rest: it waits until the news
// have reached the other core. So the rank that goes to sleep makes it for both, by membarrier(2),
// where there are cores for all: it sleeps seldom then, and it is not its core's time that is short.
// `fences` says that it will. It is taken back before a fence of the same kind: who has not seen
// that by then has had its fence. Who cannot be fenced by others always fences itself.
#pragma once

#include <atomic>
#include <cstdint>

#include "os/fence.hpp"
#include "os/futex.hpp"

namespace onecopy::node {

struct alignas(64) Bell {
    std::atomic<std::uint32_t> rings;
    std::atomic<std::uint32_t> asleep;
    std::atomic<std::uint32_t> fences;

    /// After news were stored, with release at least. `fenceable`: others can fence this process.
    void ring_if_asleep(bool fenceable = false) noexcept {
        if (fenceable && fences.load(std::memory_order_relaxed) != 0) {
            std::atomic_signal_fence(std::memory_order_seq_cst);
        } else {
            os::full_fence();
        }
        if (asleep.load(std::memory_order_relaxed) != 0) ring();
    }
    void ring() noexcept {
        rings.fetch_add(1, std::memory_order_seq_cst);
        os::futex_wake(rings);
    }

    /// By the rank, before its last look for news; what `rings` is then. For each: get_up().
    std::uint32_t lie_down() noexcept {
        asleep.fetch_add(1, std::memory_order_seq_cst);
        const std::uint32_t seen = rings.load(std::memory_order_seq_cst);
        os::full_fence();
        if (fences.load(std::memory_order_relaxed) != 0) os::fence_the_others();
        return seen;
    }
    void get_up() noexcept { asleep.fetch_sub(1, std::memory_order_seq_cst); }

    /// By the rank: whether it fences the others.
    void set_fences(bool on) noexcept {
        if ((fences.load(std::memory_order_relaxed) != 0) == on) return;
        fences.store(on ? 1 : 0, std::memory_order_seq_cst);
        if (!on) os::fence_the_others();
    }
};

}  // namespace onecopy::node
