/* Rank 1 is killed; the others are told by the error of their next reduction, and end by themselves.
 * With --enable-recovery, or mpirun would end them. */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { count = 1 << 17 };

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    double* data = calloc(count, sizeof(double));
    MPI_Allreduce(MPI_IN_PLACE, data, count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 1) raise(SIGKILL);
    const int code = MPI_Allreduce(MPI_IN_PLACE, data, count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    printf("rank %d: %s\n", rank, code == MPI_SUCCESS ? "nothing noticed" : "told of the death");
    fflush(stdout);
    _exit(0);
}
