// The MPI's own functions, by their addresses in the MPI's own library.
//
// Never by linking: the program may have loaded its MPI where we cannot see it (python3), and a
// name looked up in the global scope would be our own.
#pragma once

#include <mpi.h>

namespace onecopy::mpi {

// What we call: our name, MPI's spelling.
#define ONECOPY_MPI_REAL_FUNCTIONS(DO)               \
    DO(init, Init)                                   \
    DO(init_thread, Init_thread)                     \
    DO(initialized, Initialized)                     \
    DO(finalize, Finalize)                           \
    DO(finalized, Finalized)                         \
    DO(reduce, Reduce)                               \
    DO(allreduce, Allreduce)                         \
    DO(bcast, Bcast)                                 \
    DO(iprobe, Iprobe)                               \
    DO(comm_dup, Comm_dup)                           \
    DO(comm_free, Comm_free)                         \
    DO(comm_rank, Comm_rank)                         \
    DO(comm_size, Comm_size)                         \
    DO(comm_test_inter, Comm_test_inter)             \
    DO(comm_group, Comm_group)                       \
    DO(comm_create_keyval, Comm_create_keyval)       \
    DO(comm_get_attr, Comm_get_attr)                 \
    DO(comm_set_attr, Comm_set_attr)                 \
    DO(comm_call_errhandler, Comm_call_errhandler)   \
    DO(group_free, Group_free)                       \
    DO(group_translate_ranks, Group_translate_ranks) \
    DO(type_get_extent, Type_get_extent)

struct Real {
#define ONECOPY_MPI_DECLARE(name, spelling) decltype(&PMPI_##spelling) name = nullptr;
    ONECOPY_MPI_REAL_FUNCTIONS(ONECOPY_MPI_DECLARE)
#undef ONECOPY_MPI_DECLARE
};

/// Filled once, by load_real().
const Real& real() noexcept;

/// Looks all of them up in the MPI's library. False if one is missing: that MPI cannot be used.
bool load_real(void* library) noexcept;

}  // namespace onecopy::mpi
