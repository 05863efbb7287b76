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

/// Both ranks of a pair are inside their calls when a message goes; its source was just written;
/// its time is the longer one of the two calls. Returns seconds, [candidate][size]: of each pair
/// the lower quartile, of these the mean. Messages that went another way, because other programs
/// took the cores, do not count.
///
/// If the caller dies, so do the ranks, and nothing is left of them. Throws Failure, also if there
/// were no others. In a process of one thread.
Times measure_ways(const TuneRun& run);

}  // namespace onecopy::cli
