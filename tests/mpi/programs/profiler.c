/* A tool: it counts the calls that it stands in front of, and makes them by their PMPI_ names. */
#include <mpi.h>
#include <stdio.h>

static int allreduces, reduces;

int MPI_Allreduce(const void* a, void* b, int c, MPI_Datatype d, MPI_Op e, MPI_Comm f) {
    ++allreduces;
    return PMPI_Allreduce(a, b, c, d, e, f);
}

int MPI_Reduce(const void* a, void* b, int c, MPI_Datatype d, MPI_Op e, int f, MPI_Comm g) {
    ++reduces;
    return PMPI_Reduce(a, b, c, d, e, f, g);
}

int MPI_Finalize(void) {
    printf("profiler: %d allreduces, %d reduces\n", allreduces, reduces);
    return PMPI_Finalize();
}
