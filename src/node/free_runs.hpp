// Runs of blocks that were given back, all of one length: a stack in the job's memory from which
// any rank takes and to which any rank gives.
//
//   top     the run on top, counted from 1 (0: there is none), and in the upper bits how often the
//           stack was changed: loaded by all, changed by compare-and-swap alone
//   link    one for each run, beside the runs: the run below. Stored by whoever gives the run back,
//           while it is his; loaded (relaxed) by whoever is about to take it
//
// (A) Whatever its last owner did with a run, and its link, is over before it is on the stack
//     (release), and whoever takes it begins behind that (acquire). Those between them change `top`
//     by read-modify-write, so the one pairs with the other across any number of them.
// (B) Whoever has loaded `top` and a link, and is stopped, may find the same run on top later,
//     above another one. The number of changes is another one then, and its swap fails. (It comes
//     back to the same after 2^36 changes. That is 4,096 for each communicator that a job can have,
//     and one of n ranks makes some 2n of them: 2,000 ranks that made all there can be while one
//     was stopped.)
//
// There is no moment at which others must wait: a rank that is killed in here loses the runs that
// it was about to give, or had just taken, and nothing else. Explored by
// tests/model/free_runs_model.
#pragma once

#include <atomic>
#include <cstdint>

#include "node/atomic.hpp"

namespace onecopy::node {

/// Of each run.
using RunLink = Atomic<std::uint32_t>;

/// Zero at first: empty.
struct FreeRuns {
    static constexpr unsigned number_bits = 28;
    static constexpr std::uint32_t most = (std::uint32_t{1} << number_bits) - 1;

    Atomic<std::uint64_t> top;

    /// A run, counted from 1, now the caller's; 0: there is none. `link_of(run)` finds a link.
    template <class LinkOf>
    std::uint32_t take(const LinkOf& link_of) noexcept {
        std::uint64_t seen = top.load(std::memory_order_acquire);
        for (;;) {
            const std::uint32_t run = run_in(seen);
            if (run == 0) return 0;
            const std::uint32_t below = link_of(run).load(std::memory_order_relaxed);
            if (top.compare_exchange_weak(seen, changed(seen, below), std::memory_order_acquire,
                                          std::memory_order_acquire)) {
                return run;
            }
        }
    }

    /// Gives back what is the caller's: `first`, and those that are linked below it until `last`.
    template <class LinkOf>
    void give(const LinkOf& link_of, std::uint32_t first, std::uint32_t last) noexcept {
        std::uint64_t seen = top.load(std::memory_order_relaxed);
        do {
            link_of(last).store(run_in(seen), std::memory_order_relaxed);
        } while (!top.compare_exchange_weak(seen, changed(seen, first), std::memory_order_release,
                                            std::memory_order_relaxed));
    }

private:
    static constexpr std::uint32_t run_in(std::uint64_t seen) noexcept {
        return static_cast<std::uint32_t>(seen) & most;
    }
    static constexpr std::uint64_t changed(std::uint64_t seen, std::uint32_t run) noexcept {
        return ((seen >> number_bits) + 1) << number_bits | run;
    }
};

}  // namespace onecopy::node
