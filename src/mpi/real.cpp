#include "mpi/real.hpp"

#include <dlfcn.h>

namespace onecopy::mpi {

namespace {

constinit Real functions;

}  // namespace

const Real& real() noexcept { return functions; }

bool load_real(void* library) noexcept {
    bool all = true;
    const auto look_up = [&]<class Function>(Function*& function, const char* name) {
        function = reinterpret_cast<Function*>(::dlsym(library, name));
        all = all && function != nullptr;
    };
#define ONECOPY_MPI_LOAD(name, spelling) look_up(functions.name, "PMPI_" #spelling);
    ONECOPY_MPI_REAL_FUNCTIONS(ONECOPY_MPI_LOAD)
#undef ONECOPY_MPI_LOAD
    return all;
}

}  // namespace onecopy::mpi
