/* Threads, each with its own communicator, reduce at the same time. Every third time each does so
 * on a duplicate that it frees at once, so what belongs to a communicator changes hands between
 * threads and ranks that are not equally far. */
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { threads = 3, turns = 150 };

static int wrong, rank, size;

static void* work(void* argument) {
    const MPI_Comm own = *(MPI_Comm*)argument;
    for (int turn = 0; turn < turns; ++turn) {
        const int count = 20000 + turn % 40 * 1000;
        double* data = malloc(sizeof(double) * (size_t)count);
        for (int i = 0; i < count; ++i) data[i] = rank + i % 7;
        MPI_Comm comm = own;
        if (turn % 3 == 0) MPI_Comm_dup(own, &comm);
        MPI_Allreduce(MPI_IN_PLACE, data, count, MPI_DOUBLE, MPI_SUM, comm);
        if (comm != own) MPI_Comm_free(&comm);
        for (int i = 0; i < count; ++i) {
            if (data[i] != size * (i % 7) + size * (size - 1) / 2) {
                __atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
            }
        }
        free(data);
    }
    return NULL;
}

int main(int argc, char** argv) {
    int provided = 0;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm comms[threads];
    for (int i = 0; i < threads; ++i) MPI_Comm_dup(MPI_COMM_WORLD, &comms[i]);
    if (provided == MPI_THREAD_MULTIPLE) {
        pthread_t all[threads];
        for (int i = 0; i < threads; ++i) pthread_create(&all[i], NULL, work, &comms[i]);
        for (int i = 0; i < threads; ++i) pthread_join(all[i], NULL);
    } else {
        work(&comms[0]);
    }
    printf(wrong == 0 ? "threads are right\n" : "threads are WRONG\n");
    MPI_Finalize();
    return wrong != 0;
}
