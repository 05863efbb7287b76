// Joining the job of a launcher that speaks PMIx: Open MPI's mpirun, Slurm's `srun --mpi=pmix`.
//
// PMIx says which ranks of the launcher's job are on this machine: these are the Node, numbered
// from 0 in the launcher's order. The lowest draws a key and puts it, the others get it, and by
// that key all of them meet (meeting.hpp). There is no fence: nobody waits for another machine.
//
// libpmix is loaded when it is needed, and no sooner: the library has no link to it.
#pragma once

#include <chrono>
#include <string_view>

#include "node/job_memory.hpp"

namespace onecopy::node {

struct JoinedByPmix {
    JobMemory memory;
    int rank;  ///< among the ranks of this machine
};

/// The launcher's server is asked and left again, which also ends libpmix's thread. But where an
/// MPI is loaded that has not opened PMIx yet, the connection stays until the process exits: the
/// server may forget a rank that leaves, and MPI_Init would then fail.
///
/// `directory` as in Meeting. Waits for the other ranks of this machine until the timeout, and,
/// while the launcher itself is stopped, for that. One thread at a time. Throws std::system_error:
/// Errc::no_job, there is no libpmix, no server, or nothing about this machine; ETIMEDOUT, not all
/// ranks of this machine came; and as meet(). Source: PMIx Standard 4, "Client Initialization and
/// Finalization", "Publish/Access Data", "Process-Related Reserved Keys".
JoinedByPmix join_by_pmix(std::string_view directory, std::chrono::milliseconds timeout);

}  // namespace onecopy::node
