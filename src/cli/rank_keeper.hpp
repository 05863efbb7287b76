// The process that starts the ranks of a job, waits for them, and ends the rest when one fails.
#pragma once

#include <sys/types.h>

#include "cli/keeper_wire.hpp"
#include "cli/launch_ranks.hpp"
#include "cli/launch_signals.hpp"

namespace onecopy::cli {

/// The body of the keeper, a child of the front and alone in a process group. Runs the job to its
/// end and tells the front of it; when this returns, nothing that descends from this process is
/// left.
///
/// `front`: its end is the front's death, and ends the job at once. `foreground`: the process group
/// for rank 0, or 0.
void keep_ranks(const Launch& launch, const KeeperWire& front, const HeldSignals& signals,
                pid_t foreground) noexcept;

}  // namespace onecopy::cli
