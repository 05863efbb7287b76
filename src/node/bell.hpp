// How a rank sleeps until others have something for it.
//
//   asleep  whether the rank sleeps or is about to   stored by it, loaded by who has news
//   rings   changes when somebody has news           added to by who has news; the rank sleeps on
//   it
//
// The rank stores `asleep`, then looks once more for news, then sleeps if `rings` is what it was
// before. Who has news stores them, then looks at `asleep`. Each writes one word and reads the
// other's: whatever the order, one of the two sees the other, if there is a full fence between the
// store and the load on both sides. So no news comes to a sleeper unheard.
#pragma once

#include <atomic>
#include <cstdint>

#include "os/fence.hpp"
#include "os/futex.hpp"

namespace onecopy::node {

struct alignas(64) Bell {
    std::atomic<std::uint32_t> rings;
    std::atomic<std::uint32_t> asleep;

    /// After news were stored, with release at least.
    void ring_if_asleep() noexcept {
        os::full_fence();
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
        return seen;
    }
    void get_up() noexcept { asleep.fetch_sub(1, std::memory_order_seq_cst); }
};

}  // namespace onecopy::node
