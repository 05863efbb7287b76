// Who started whom, for the one right that Yama lets a process hand out.
#pragma once

#include <span>

namespace onecopy::mpi {

/// The nearest process that all of these descend from (the launcher of a job's ranks), as numbered
/// here; 0 if there is none but init, or /proc does not tell. A process counts as its own ancestor.
int common_ancestor(std::span<const int> pids);

/// The scope of the Yama security module, 0 without it. Source: the kernel's Yama.rst.
int yama_scope();

/// Lets `pid` and its descendants attach to the calling process where Yama asks for that; there is
/// one slot per process, which this overwrites. False without Yama. Source: PR_SET_PTRACER(2const).
bool name_ptracer(int pid) noexcept;

}  // namespace onecopy::mpi
