// Who of the job has departed, and how a rank sleeps such that it learns of it.
//
// A rank's lifeline (os/lifeline.hpp) is lost when its thread ends, by whatever means; whether the
// rank has ended with it, its process says. The first who finds out writes it into the rank's line,
// counts it and wakes everybody.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "node/job_memory.hpp"
#include "node/peers.hpp"

namespace onecopy::node {

/// One thread at a time, but sleep().
class Watch {
public:
    Watch(const JobMemory& memory, Peers& peers, int own_rank) noexcept
        : memory_(memory), peers_(peers), own_rank_(own_rank) {}

    /// How many have departed. One load.
    [[nodiscard]] std::uint32_t departures() const noexcept {
        return memory_.head().departures.load(std::memory_order_acquire);
    }

    [[nodiscard]] Stage stage(int rank) const noexcept {
        return memory_.line(rank).stage.load(std::memory_order_acquire);
    }

    /// Finds out whether the rank is still there, and tells everybody if not. A load or two if it
    /// is.
    void look_at(int rank) noexcept;
    void look_at_all() noexcept;

    /// Whether a rank that was here has lost its lifeline. A hint; any thread.
    [[nodiscard]] bool somebody_may_be_gone() const noexcept;

    /// For tests: so long that a wake-up which was lost is a hang.
    void set_long_nap(std::chrono::milliseconds nap) noexcept { long_nap_ = nap; }

    /// For ourselves, at the end.
    void leave() noexcept;

    /// Sleeps until our bell rings, `rank` (-1: nobody) or some other rank ends, or for a while.
    /// `rings` is what the bell was before the last look for news. Any thread.
    void sleep(std::uint32_t rings, int rank) const noexcept;

private:
    void depart(int rank, Stage stage) noexcept;
    [[nodiscard]] std::chrono::milliseconds nap_after_losses(std::uint32_t lost) const noexcept;

    const JobMemory& memory_;
    Peers& peers_;
    int own_rank_;
    /// Where every other rank is among the words slept on, nothing can be missed; this is for a
    /// process that is replaced or killed in ways that no word tells.
    std::chrono::milliseconds long_nap_{1000};
    /// Lifelines that nobody held at the last sleep, and sleeps since then: hints, of any thread.
    mutable std::atomic<std::uint32_t> lost_{0}, naps_{0};
};

}  // namespace onecopy::node
