// Where a rank stands in its job, as the launcher's environment tells it before MPI_Init.
#pragma once

#include <optional>
#include <string>

namespace onecopy::mpi {

/// The facts that the ranks of one job on one machine share (`job`), and this rank's own place.
struct Place {
    std::string job;  ///< the same text in all ranks of the job on this machine, in no other job's
    int world_rank = 0;
    int world_size = 0;
    int local_rank = 0;  ///< among the ranks on this machine, from 0
    int local_size = 0;
};

/// What Open MPI's launcher says. Empty if a fact is missing or makes no sense: the program was
/// started alone, or by a launcher that sets other variables.
/// Source: Open MPI 4.1, "Environment variables exported to the launched processes" (mpirun(1)),
/// and PMIx's client environment.
std::optional<Place> place_from_environment(const char* (*get)(const char* name));

/// From the process's own environment.
std::optional<Place> place_from_environment();

}  // namespace onecopy::mpi
