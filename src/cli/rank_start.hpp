// Starting the program of one rank.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "cli/launch_signals.hpp"
#include "cli/rank_contract.hpp"
#include "cli/rank_output.hpp"
#include "cli/rank_trouble.hpp"
#include "node/topology.hpp"
#include "os/fd.hpp"

namespace onecopy::cli {

/// What all ranks of a job have in common.
struct RankSetup {
    std::vector<char*> arguments;     ///< of exec, ending in null
    std::vector<node::CpuSet> cores;  ///< rank r runs on the one numbered r modulo their count
    rlimit descriptors{};             ///< RLIMIT_NOFILE as it was before the launcher raised it
    const HeldSignals* signals = nullptr;
    int job = -1;          ///< inherited by the program
    int nothing = -1;      ///< /dev/null, the standard input of all but rank 0
    int troubles = -1;     ///< a pipe, close-on-exec: Trouble is written there
    pid_t keeper = -1;     ///< the process that starts them: they do not outlive it
    pid_t foreground = 0;  ///< the process group of rank 0, where it has a terminal; else 0
};

/// Forks a rank and returns its number, or -1 with errno; the rest happens there. It is in a
/// process group of its own (rank 0 with a terminal: in the launcher's) when this returns.
///
/// The rank is killed when the keeper ends, whatever its program does but for set-user-ID ones.
/// Source: prctl(2), PR_SET_PDEATHSIG.
pid_t start_rank(int rank, const RankSetup& setup, RankEnvironment& environment,
                 const RankOutput::Ends& output);

}  // namespace onecopy::cli
