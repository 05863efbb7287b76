/* A rank that waits in a reduction owes a large message to another, which comes to the reduction
 * only once it has it: without progress on the message both wait for ever. The message has gaps, so
 * the MPI cannot leave it to the receiver. "self": besides, each rank has sent itself a message
 * that it has not received yet. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { rows = 64, columns = 1024, elements = 1 << 18 };

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    const int to_self = argc > 1 && strcmp(argv[1], "self") == 0;
    int rank = 0, size = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Datatype message;
    MPI_Type_vector(rows, columns, 2 * columns, MPI_DOUBLE, &message);
    MPI_Type_commit(&message);
    double* numbers = calloc((size_t)rows * 2 * columns, sizeof(double));
    double* last = numbers + (rows - 1) * 2 * columns + columns - 1;
    double* data = calloc(elements, sizeof(double));
    for (int turn = 0; turn < 4; ++turn) {
        int own = turn, back = -1;
        MPI_Request request = MPI_REQUEST_NULL, request_to_self = MPI_REQUEST_NULL;
        if (to_self) MPI_Isend(&own, 1, MPI_INT, 0, 7, MPI_COMM_SELF, &request_to_self);
        if (rank == 0) {
            *last = turn + 1;
            MPI_Isend(numbers, 1, message, size - 1, turn, MPI_COMM_WORLD, &request);
        } else if (rank == size - 1) {
            MPI_Recv(numbers, 1, message, 0, turn, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            if (*last != turn + 1) return 1;
        }
        data[elements - 1] = rank;
        MPI_Allreduce(MPI_IN_PLACE, data, elements, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
        if (data[elements - 1] != size - 1) return 1;
        MPI_Wait(&request, MPI_STATUS_IGNORE);
        if (to_self) {
            MPI_Recv(&back, 1, MPI_INT, 0, 7, MPI_COMM_SELF, MPI_STATUS_IGNORE);
            MPI_Wait(&request_to_self, MPI_STATUS_IGNORE);
            if (back != turn) return 1;
        }
    }
    printf("progress is made\n");
    MPI_Type_free(&message);
    MPI_Finalize();
    return 0;
}
