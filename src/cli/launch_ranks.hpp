// Running a program as the ranks of a job.
//
// Two processes do it. The front is the one that was started: it passes signals on, stops and goes
// on with the job, and ends as the job ended. The keeper (rank_keeper.hpp) starts the ranks and
// waits for them. Each is a child subreaper (prctl(2)) and ends all that is below it when the other
// is gone: so kill -9 of either leaves no rank behind, nor anything that a rank has started,
// whatever session that has moved to. The keeper is in a process group of its own, so that kill -9
// of the front's whole group (a shell's `kill -9 %1`) leaves it alive to do so.
//
//     front -- keeper -- rank 0, rank 1, ...     each in a process group of its own
//                     \- output (rank_output.hpp)
//
// Process groups and the terminal: a terminal's signals (Ctrl-C, Ctrl-Z) go to the foreground
// group, which is the front's, and are passed on from there. Only a process of that group may read
// from the terminal: rank 0 is put into it where standard input is one, and then such signals reach
// it without us.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "node/topology.hpp"

namespace onecopy::cli {

struct Launch {
    std::vector<std::string> command;  ///< the program and its arguments; looked up in PATH
    int ranks = 1;
    bool label = false;               ///< each line of output begins with its rank
    std::vector<node::CpuSet> cores;  ///< rank r is bound to number r modulo their count; or none
};

/// Runs the job to its end. Returns its exit status: 0, or that of the first rank that failed, 128
/// and the number of a signal that ended it; what was to be said of it has been said. Ends this
/// process by a signal where one that was sent to it, or a closed standard output, ended the job.
///
/// Once in a process, of one thread; its signals stay held and its standard input is let go of.
/// Throws Failure if the keeper cannot be started.
int launch_ranks(const Launch& launch);

}  // namespace onecopy::cli
