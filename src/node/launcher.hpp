// What launchers of others say in the environment about the processes that they have started.
#pragma once

#include <optional>

namespace onecopy::node {

/// Which of the launcher's ranks on this machine this process is, and of how many.
struct LocalPlace {
    int rank;
    int ranks;
};

/// From mpirun of MPICH (Hydra) or of Open MPI. Nothing where none of them says so, or where two do
/// and disagree, as when one was started by the other. Never from variables that count the ranks of
/// all machines (PMI_RANK, OMPI_COMM_WORLD_RANK): those elsewhere could not come.
std::optional<LocalPlace> place_by_launcher() noexcept;

/// Whether the launcher speaks PMIx: pmix.hpp.
bool launched_by_pmix() noexcept;

/// A number, not negative, of the environment; -1: none. Null is none.
int number_in(const char* text) noexcept;

}  // namespace onecopy::node
