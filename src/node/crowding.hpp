// Whether the ranks have a core each. Where they have not, who waits spends the time of who is
// waited for, so it yields and sleeps; and two that copy for each other only take each other's
// core.
//
// Counting cores is not enough: ranks may be bound to one and the same, a control group may give
// them less time than they have cores, and other programs want to run, too. So who was put off its
// core while it waited takes it for crowded for a while.
#pragma once

#include <cstdint>
#include <optional>

#include "node/job_memory.hpp"
#include "os/coarse_clock.hpp"

namespace onecopy::node {

/// One thread at a time.
class Crowding {
public:
    Crowding(const JobMemory& memory, int own_rank) noexcept : memory_(memory), own_(own_rank) {}

    /// Fills in what the others must know of this rank.
    static void introduce(RankLine& line);

    [[nodiscard]] bool now() noexcept {
        return (until_ms_ != 0 && os::coarse_ms() < until_ms_) || by_count();
    }

    /// A waiter was put off its core.
    void was_preempted() noexcept { until_ms_ = os::coarse_ms() + memory_of_it_ms; }

private:
    static constexpr std::uint64_t memory_of_it_ms = 100;

    [[nodiscard]] bool by_count() noexcept { return counted_ ? *counted_ : count(); }
    [[nodiscard]] bool count() noexcept;

    const JobMemory& memory_;
    int own_;
    std::optional<bool> counted_;  // once all ranks have come
    std::uint64_t until_ms_ = 0;
};

}  // namespace onecopy::node
