// Finding and ending whatever descends from this process.
#pragma once

#include <sys/types.h>

#include <vector>

namespace onecopy::cli {

/// The children of this process, ended or not, as far as they can be seen: one that ends while they
/// are listed may hide others, so ask again after each end. For a process of one thread.
///
/// Their numbers are sure until they are waited for: only a signal to one's own child cannot meet a
/// stranger. Empty where /proc is not mounted. Source: proc(5), /proc/PID/task/TID/children.
std::vector<pid_t> children();

/// Kills all that descends from this process, but for the children in `strangers` and what is below
/// them, and waits for it; nothing is left then.
///
/// For a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): what a killed child leaves behind
/// becomes its own child and is killed in turn, whatever group or session it has moved to.
void end_descendants(const std::vector<pid_t>& strangers = {});

}  // namespace onecopy::cli
