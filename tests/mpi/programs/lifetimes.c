/* MPI used in every unusual order that is allowed, and in some that are not. An argument says how.
 */
#include <dlfcn.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { count = 1 << 17 };

static void reduce_once(MPI_Comm comm) {
    double* data = calloc(count, sizeof(double));
    data[5] = 1;
    int size = 0;
    MPI_Comm_size(comm, &size);
    MPI_Allreduce(MPI_IN_PLACE, data, count, MPI_DOUBLE, MPI_SUM, comm);
    if (data[5] != size) MPI_Abort(MPI_COMM_WORLD, 7);
    free(data);
}

/* Runs in MPI_Finalize, or inside a call on another communicator. */
static int reduce_at_the_end(MPI_Comm comm, int key, void* value, void* extra) {
    (void)comm, (void)key, (void)value, (void)extra;
    reduce_once(MPI_COMM_WORLD);
    return MPI_SUCCESS;
}

static void reduce_on_error(MPI_Comm* comm, int* code, ...) {
    (void)comm, (void)code;
    reduce_once(MPI_COMM_WORLD);
}

/* Every rank writes a part of a file and reads its neighbour's. */
static void use_file(const char* name, int rank, int size) {
    enum { part = 5000 };
    char* data = malloc(part);
    MPI_File file;
    memset(data, 'a' + rank, part);
    if (MPI_File_open(MPI_COMM_WORLD, name, MPI_MODE_CREATE | MPI_MODE_RDWR, MPI_INFO_NULL,
                      &file) != MPI_SUCCESS ||
        MPI_File_write_at_all(file, (MPI_Offset)rank * part, data, part, MPI_CHAR,
                              MPI_STATUS_IGNORE) != MPI_SUCCESS) {
        MPI_Abort(MPI_COMM_WORLD, 9);
    }
    MPI_File_sync(file);
    MPI_Barrier(MPI_COMM_WORLD);
    const int next = (rank + 1) % size;
    MPI_File_read_at_all(file, (MPI_Offset)next * part, data, part, MPI_CHAR, MPI_STATUS_IGNORE);
    for (int i = 0; i < part; ++i) {
        if (data[i] != 'a' + next) MPI_Abort(MPI_COMM_WORLD, 10);
    }
    MPI_File_close(&file);
    free(data);
}

int main(int argc, char** argv) {
    const char* how = argc > 1 ? argv[1] : "";
    if (strcmp(how, "never") == 0) {
        printf("lifetimes are right\n");
        return 0;
    }
    MPI_Init(&argc, &argv);
    int rank = 0, size = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    const int half = strcmp(how, "half") == 0;
    if (strcmp(how, "attribute") == 0 || (half && rank == 0)) {
        int key = MPI_KEYVAL_INVALID;
        MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, reduce_at_the_end, &key, NULL);
        MPI_Comm_set_attr(MPI_COMM_SELF, key, NULL);
    } else if (strcmp(how, "handler") ==
               0) { /* one rank reduces in a handler, the others plainly */
        MPI_Errhandler handler;
        MPI_Comm_create_errhandler(reduce_on_error, &handler);
        MPI_Comm_set_errhandler(MPI_COMM_SELF, handler);
        double one = 1, result;
        if (rank == 1) {
            MPI_Allreduce(&one, &result, -1, MPI_DOUBLE, MPI_SUM, MPI_COMM_SELF);
        } else {
            reduce_once(MPI_COMM_WORLD);
        }
    } else if (strcmp(how, "file") == 0) {
        use_file(argv[2], rank, size);
    } else if (strcmp(how, "many") == 0) { /* more communicators than channels, all alive */
        enum { many = 100 };
        MPI_Comm comms[many];
        for (int i = 0; i < many; ++i) MPI_Comm_dup(MPI_COMM_WORLD, &comms[i]);
        for (int i = 0; i < many; ++i) reduce_once(comms[i]);
        for (int i = 0; i < many; ++i) MPI_Comm_free(&comms[i]);
        for (int i = 0; i < 10; ++i) reduce_once(MPI_COMM_WORLD);
    } else if (strcmp(how, "again") == 0) { /* one after the other */
        for (int i = 0; i < 300; ++i) {
            MPI_Comm comm;
            MPI_Comm_dup(MPI_COMM_WORLD, &comm);
            reduce_once(comm);
            MPI_Comm_free(&comm);
        }
    } else if (strcmp(how, "device") == 0) { /* a GPU's library comes late, on one rank only */
        reduce_once(MPI_COMM_WORLD);
        if (rank == 1 && dlopen(argv[2], RTLD_NOW) == NULL) MPI_Abort(MPI_COMM_WORLD, 8);
    }
    reduce_once(MPI_COMM_WORLD);
    if (half && rank != 0) reduce_once(MPI_COMM_WORLD); /* rank 0 does so in MPI_Finalize */
    printf("lifetimes are right\n");
    MPI_Finalize();
    return 0;
}
