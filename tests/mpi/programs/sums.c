/* Sums of large and small arrays, checked; each rank prints "sums are right". For the tests that only
 * need a program that would be taken over. MPI_Init_thread if an argument names a level. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wrong;

static void check(const double* result, int count, int size) {
    for (int i = 0; i < count; ++i) wrong += result[i] != i % 100 * size + size * (size - 1) / 2;
}

int main(int argc, char** argv) {
    if (argc > 1) {
        int provided = 0;
        MPI_Init_thread(&argc, &argv, atoi(argv[1]), &provided);
    } else {
        MPI_Init(&argc, &argv);
    }
    int rank = 0, size = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (int count = 1; count <= 1 << 18; count *= 8) {
        double* source = malloc(sizeof(double) * (size_t)count);
        double* result = calloc((size_t)count, sizeof(double));
        for (int i = 0; i < count; ++i) source[i] = i % 100 + rank;
        MPI_Allreduce(source, result, count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
        check(result, count, size);
        memset(result, 0, sizeof(double) * (size_t)count);
        MPI_Reduce(source, result, count, MPI_DOUBLE, MPI_SUM, size - 1, MPI_COMM_WORLD);
        if (rank == size - 1) check(result, count, size);
        MPI_Allreduce(MPI_IN_PLACE, source, count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
        check(source, count, size);
        free(source);
        free(result);
    }
    printf(wrong == 0 ? "sums are right\n" : "sums are WRONG\n");
    MPI_Finalize();
    return wrong != 0;
}
