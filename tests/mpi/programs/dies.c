/* Rank 1 is killed, between two reductions or within one; the others are told by the error of their
 * next reductions, and end by themselves. With --enable-recovery, or mpirun would end them. */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { count = 1 << 20 };

static int rank;

static void die(int signal) {
    (void)signal;
    raise(SIGKILL);
}

static void say(const char* call, int code) {
    printf("rank %d: %s: %s\n", rank, call,
           code == MPI_SUCCESS ? "nothing noticed" : "told of the death");
    fflush(stdout);
}

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    const MPI_Comm world = MPI_COMM_WORLD;
    MPI_Comm_set_errhandler(world, MPI_ERRORS_RETURN);
    const size_t bytes = sizeof(double) * count;
    double* source = calloc(count, sizeof(double));
    char* result = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MPI_Allreduce(source, result, count, MPI_DOUBLE, MPI_SUM, world);
    if (rank == 1) {
        if (argc < 2 || strcmp(argv[1], "within") != 0) raise(SIGKILL);
        /* It has offered its data, and dies when it writes the second half of the result. */
        signal(SIGSEGV, die);
        mprotect(result + bytes / 2, bytes / 2, PROT_READ);
    }
    say("reduce", MPI_Reduce(source, result, count, MPI_DOUBLE, MPI_SUM, 1, world));
    say("allreduce", MPI_Allreduce(source, result, count, MPI_DOUBLE, MPI_SUM, world));
    say("reduce elsewhere", MPI_Reduce(source, result, count / 2, MPI_DOUBLE, MPI_MAX, 0, world));
    _exit(0);
}
