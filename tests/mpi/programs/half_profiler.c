/* A tool that stands in front of one function only. */
#include <mpi.h>
#include <stdio.h>

int MPI_Finalize(void) {
    printf("profiler: the end\n");
    return PMPI_Finalize();
}
