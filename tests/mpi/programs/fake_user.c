/* A program of that MPI. Its handles are ints, and one argument of MPI_Reduce is on the stack. */
int MPI_Init(int*, char***);
int MPI_Finalize(void);
int MPI_Allreduce(const void*, void*, int, int, int, int);
int MPI_Reduce(const void*, void*, int, int, int, int, int);

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    const int wrong = MPI_Allreduce(0, 0, 1, -2, 3, -4) != 42 || MPI_Reduce(0, 0, 5, -6, 7, -8, 9) != 43;
    MPI_Finalize();
    return wrong;
}
