// This process as a rank: what MPI_Init found out and what MPI_Finalize ends.
#pragma once

#include <mpi.h>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "mpi/abi.h"
#include "mpi/channel.hpp"
#include "mpi/handles.hpp"
#include "mpi/presence.hpp"
#include "mpi/tally.hpp"

namespace onecopy::mpi {

/// One per process, never destroyed: calls may come until the very end of it.
struct Job {
    onecopy_mpi_host host{};
    std::size_t threshold_bytes = 0;          ///< a call below it is passed on
    std::size_t crowded_threshold_bytes = 0;  ///< the same with more ranks than cores
    std::string complaint;                    ///< about the settings, for the user; rank 0 says it
    bool host_memory_only = false;            ///< the user vouches that buffers are no device's
    Handles handles;
    int keyval = 0;
    /// A duplicate of MPI_COMM_SELF on which no message is ever sent; MPI_COMM_SELF itself until
    /// there is one and after it is gone. See progress() in job.cpp.
    MPI_Comm silent{};
    std::optional<Presence> presence;
    std::string refusal = "MPI_Init was not called yet";  ///< why all is passed on
    std::unordered_map<int, int> local_rank_of;           ///< by rank in MPI_COMM_WORLD
    std::unique_ptr<Machine> machine;                     ///< only if the job takes calls over
    os::JobSegment segment;
    Tally tally;
};
Job& job() noexcept;

/// Reads the settings. Before anything else.
void set_up(const onecopy_mpi_host& host);

/// MPI_Init and MPI_Init_thread, around the MPI's own: `start` calls it and returns its code.
int initialise(int (*start)(void* arguments), void* arguments) noexcept;

/// MPI_Finalize, around the MPI's own.
int finalise() noexcept;

/// One line for the user: "onecopy: mpi: ...".
void say(const std::string& text) noexcept;

}  // namespace onecopy::mpi
