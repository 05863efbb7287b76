// How long a rank that waits spins, and how long it yields, before it sleeps.
#pragma once

#include <sched.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdint>

#include "os/pause.hpp"

namespace onecopy::node {

/// Spinning costs a core and no time, so it is for when every rank has a core. Yielding gives the
/// core to whoever needs it. Sleeping costs the waiter nothing, and the other a wake-up of some
/// microseconds. A value; of the thread that waits.
class Patience {
    using Clock = std::chrono::steady_clock;

public:
    explicit Patience(bool crowded) noexcept : crowded_(crowded) {}

    void restart() noexcept {
        rounds_ = 0;
        timing_ = over_ = false;
    }

    [[nodiscard]] bool is_over() const noexcept { return over_; }
    /// Whether somebody else was put on this thread's core while it spun: it yields from then on.
    [[nodiscard]] bool was_preempted() const noexcept { return preempted_; }
    [[nodiscard]] bool has_begun() const noexcept { return rounds_ > 0; }
    /// At first, and now and then while it lasts.
    [[nodiscard]] bool time_to_look() const noexcept { return rounds_ % rounds_between_looks == 0; }

    void pause() noexcept {
        ++rounds_;
        if (!crowded_ && rounds_ % rounds_between_clocks != 0) {
            return os::pause();
        }
        const auto now = Clock::now();
        if (!timing_) begin_ = now;
        if (!crowded_) look_for_preemption();
        timing_ = true;
        if (!crowded_ && now - begin_ < spin) return;
        ::sched_yield();
        over_ = now - begin_ > (crowded_ ? yield_when_crowded : spin + yield);
    }

private:
    void look_for_preemption() noexcept {
        rusage usage{};
        if (::getrusage(RUSAGE_THREAD, &usage) != 0) return;
        if (timing_ && usage.ru_nivcsw != switches_) crowded_ = preempted_ = true;
        switches_ = usage.ru_nivcsw;
    }

    static constexpr std::uint32_t rounds_between_clocks = 1024;
    static constexpr std::uint32_t rounds_between_looks = 4096;
    static constexpr std::chrono::microseconds spin{10'000};
    static constexpr std::chrono::microseconds yield{10'000};
    static constexpr std::chrono::microseconds yield_when_crowded{50};

    bool crowded_;
    bool over_ = false;
    bool preempted_ = false;
    long switches_ = 0;
    bool timing_ = false;
    std::uint32_t rounds_ = 0;
    Clock::time_point begin_{};
};

}  // namespace onecopy::node
