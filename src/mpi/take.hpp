// Which reductions are taken over, and how.
#pragma once

#include <mpi.h>

#include <cstdint>

#include "mpi/route.hpp"

namespace onecopy::mpi {

/// Both set `bytes` to the payload where type and count tell it. They decide from facts that all
/// members of the communicator share, and from nothing else: a member that decided otherwise would
/// be waited for in vain. What only one member knows (its addresses, its memory) becomes a veto
/// that all see.
Decision take_allreduce(std::uint64_t& bytes, const void* source, void* result, int count,
                        MPI_Datatype type, MPI_Op operation, MPI_Comm comm) noexcept;
Decision take_reduce(std::uint64_t& bytes, const void* source, void* result, int count,
                     MPI_Datatype type, MPI_Op operation, int root, MPI_Comm comm) noexcept;

}  // namespace onecopy::mpi
