/* Calls that are wrong or unusual: the code of each is printed, so that runs can be compared. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { count = 1 << 17 };

static int rank;

static void say(const char* what, int code) {
    int kind = 0;
    MPI_Error_class(code, &kind);
    printf("rank %d: %s: class %d\n", rank, what, kind);
}

static void first(void* in, void* out, int* length, MPI_Datatype* type) {
    (void)in, (void)out, (void)length, (void)type;
}

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    double* a = calloc(count, sizeof(double));
    double* b = calloc(count, sizeof(double));
    const MPI_Comm world = MPI_COMM_WORLD;
    say("negative count", MPI_Allreduce(a, b, -1, MPI_DOUBLE, MPI_SUM, world));
    say("no elements", MPI_Allreduce(a, b, 0, MPI_DOUBLE, MPI_SUM, world));
    say("no datatype", MPI_Allreduce(a, b, count, MPI_DATATYPE_NULL, MPI_SUM, world));
    say("no operation", MPI_Allreduce(a, b, count, MPI_DOUBLE, MPI_OP_NULL, world));
    say("bits of doubles", MPI_Allreduce(a, b, count, MPI_DOUBLE, MPI_BAND, world));
    say("same buffer twice", MPI_Allreduce(a, a, count, MPI_DOUBLE, MPI_SUM, world));
    say("no such root", MPI_Reduce(a, b, count, MPI_DOUBLE, MPI_SUM, 99, world));
    say("root -1", MPI_Reduce(a, b, count, MPI_DOUBLE, MPI_SUM, -1, world));
    MPI_Datatype twice;
    MPI_Type_contiguous(2, MPI_DOUBLE, &twice);
    MPI_Type_commit(&twice);
    say("derived type", MPI_Allreduce(a, b, count / 2, twice, MPI_SUM, world));
    MPI_Op own;
    MPI_Op_create(first, 1, &own);
    say("own operation", MPI_Allreduce(a, b, count, MPI_DOUBLE, own, world));
    say("to oneself", MPI_Allreduce(a, b, count, MPI_DOUBLE, MPI_SUM, MPI_COMM_SELF));
    say("at last a right one", MPI_Allreduce(a, b, count, MPI_DOUBLE, MPI_SUM, world));
    MPI_Op_free(&own);
    MPI_Type_free(&twice);
    MPI_Finalize();
    return 0;
}
