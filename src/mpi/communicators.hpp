// What we know of a communicator: whether all its members are ranks of this job on this machine,
// and the channel they agreed on. Kept as an attribute of the communicator, so it ends with it.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <memory>

#include "mpi/reduction.hpp"
#include "mpi/tally.hpp"

namespace onecopy::mpi {

/// Found at the first call that could be taken over; the same in all members.
struct Communicator {
    std::unique_ptr<Reducer> reducer;    ///< empty: calls are passed on
    Reason reason = Reason::no_channel;  ///< why
    std::uint64_t threshold_bytes = 0;   ///< calls below it are passed on
    int size = 0;
    int rank = 0;

    /// Leaves the channel: MPI_Comm_free waits for nobody, so other members may still be using it.
    ~Communicator();
};

/// A key for attributes that duplicates do not inherit; `deleted` is called when one goes.
int create_key(MPI_Comm_delete_attr_function* deleted);

/// The key of what look_up() keeps. After MPI_Init.
int create_communicator_key();

/// What is known of it; all members call this in the same collective call. nullptr if the MPI does
/// not accept the handle: it will say so itself.
Communicator* look_up(MPI_Comm comm);

}  // namespace onecopy::mpi
