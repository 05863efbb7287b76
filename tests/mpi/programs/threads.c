/* Two threads, each with its own communicator, reduce at the same time. */
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int wrong, rank, size;

static void* work(void* argument) {
    const MPI_Comm comm = *(MPI_Comm*)argument;
    for (int turn = 0; turn < 60; ++turn) {
        const int count = 20000 + turn * 1000;
        double* data = malloc(sizeof(double) * (size_t)count);
        for (int i = 0; i < count; ++i) data[i] = rank + i % 7;
        MPI_Allreduce(MPI_IN_PLACE, data, count, MPI_DOUBLE, MPI_SUM, comm);
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
    MPI_Comm comms[2];
    MPI_Comm_dup(MPI_COMM_WORLD, &comms[0]);
    MPI_Comm_dup(MPI_COMM_WORLD, &comms[1]);
    if (provided == MPI_THREAD_MULTIPLE) {
        pthread_t threads[2];
        for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, work, &comms[i]);
        for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
    } else {
        work(&comms[0]);
    }
    printf(wrong == 0 ? "threads are right\n" : "threads are WRONG\n");
    MPI_Finalize();
    return wrong != 0;
}
