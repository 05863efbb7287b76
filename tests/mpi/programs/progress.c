/* A rank that waits in a reduction owes a large message to another, which comes to the reduction only
 * once it has it: without progress on the message both wait for ever. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { message = 32 << 20, elements = 1 << 18 };

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    int rank = 0, size = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    char* bytes = calloc(1, message);
    double* data = calloc(elements, sizeof(double));
    for (int turn = 0; turn < 4; ++turn) {
        MPI_Request request = MPI_REQUEST_NULL;
        if (rank == 0) {
            bytes[message - 1] = (char)(turn + 1);
            MPI_Isend(bytes, message, MPI_CHAR, size - 1, turn, MPI_COMM_WORLD, &request);
        } else if (rank == size - 1) {
            MPI_Recv(bytes, message, MPI_CHAR, 0, turn, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            if (bytes[message - 1] != turn + 1) return 1;
        }
        data[elements - 1] = rank;
        MPI_Allreduce(MPI_IN_PLACE, data, elements, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
        if (data[elements - 1] != size - 1) return 1;
        MPI_Wait(&request, MPI_STATUS_IGNORE);
    }
    printf("progress is made\n");
    MPI_Finalize();
    return 0;
}
