// What the stub loads: the functions that stand in front of this MPI's.
#include <mpi.h>

#include <exception>

#include "mpi/abi.h"
#include "mpi/job.hpp"
#include "mpi/real.hpp"
#include "mpi/route.hpp"
#include "mpi/take.hpp"

namespace onecopy::mpi {

namespace {

int init(int* count, char*** arguments) {
    struct Call {
        int* count;
        char*** arguments;
    } call{count, arguments};
    return initialise(
        [](void* data) {
            const auto* with = static_cast<Call*>(data);
            return real().init(with->count, with->arguments);
        },
        &call);
}

int init_thread(int* count, char*** arguments, int required, int* provided) {
    struct Call {
        int* count;
        char*** arguments;
        int required;
        int* provided;
    } call{count, arguments, required, provided};
    return initialise(
        [](void* data) {
            const auto* with = static_cast<Call*>(data);
            return real().init_thread(with->count, with->arguments, with->required, with->provided);
        },
        &call);
}

int finalize() { return finalise(); }

int reduce(const void* source, void* result, int count, MPI_Datatype type, MPI_Op operation,
           int root, MPI_Comm comm) {
    return route(Call::reduce, real().reduce, take_reduce, source, result, count, type, operation,
                 root, comm);
}

int allreduce(const void* source, void* result, int count, MPI_Datatype type, MPI_Op operation,
              MPI_Comm comm) {
    return route(Call::allreduce, real().allreduce, take_allreduce, source, result, count, type,
                 operation, comm);
}

/// MPI's own prototypes check ours: an entry of another type does not compile.
template <class Function>
onecopy_mpi_entry entry(Function* ours, Function* /*as the MPI declares it*/) {
    return reinterpret_cast<onecopy_mpi_entry>(ours);
}

}  // namespace

}  // namespace onecopy::mpi

extern "C" __attribute__((visibility("default"))) int onecopy_mpi_part(const onecopy_mpi_host* host,
                                                                       onecopy_mpi_entry* entries) {
    using namespace onecopy::mpi;
    if (host->version != ONECOPY_MPI_ABI || !load_real(host->library)) return 1;
    try {
        set_up(*host);
    } catch (const std::exception&) {
        return 1;
    }
#define ONECOPY_MPI_FUNCTION(name, spelling, arguments) \
    entries[ONECOPY_MPI_##name] = entry(&onecopy::mpi::name, real().name);
#include "mpi/functions.def"
#undef ONECOPY_MPI_FUNCTION
    return 0;
}
