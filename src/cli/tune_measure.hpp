// Timing messages between bound ranks, by settings that take turns.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cli/tune_plan.hpp"

namespace onecopy::cli {

struct TuneSize {
    std::uint64_t bytes;
    double budget_ms;  ///< for all settings together; each gets a few messages at least
};

struct TuneRun {
    std::vector<CpuPair> pairs;          ///< all are at work at once
    std::vector<node::Ways> candidates;  ///< the settings that take turns
    std::vector<TuneSize> sizes;
    bool in_arenas = false;  ///< else in memory that nobody prepared
};

struct TuneTimes {
    Times seconds;           ///< of a message, [candidate][size]: the mean over all pairs
    bool disturbed = false;  ///< others took our cores, so that messages went the slow way
};

/// Both ranks of a pair are inside their calls when a message goes; its source was just written;
/// its time is the longer one of the two calls. If the caller dies, so do the ranks, and nothing is
/// left of them. Throws Failure. In a process of one thread.
TuneTimes measure_ways(const TuneRun& run);

}  // namespace onecopy::cli
