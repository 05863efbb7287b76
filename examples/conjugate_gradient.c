/* Solves the Poisson equation on a square by conjugate gradients: plain MPI, nothing of onecopy.
 *
 *   mpirun -n 2 ./conjugate_gradient [POINTS [ITERATIONS]]
 *   onecopy mpi --report -- mpirun -n 2 ./conjugate_gradient
 *
 * -(u_xx + u_yy) = f on POINTS x POINTS inner points (512 unless told otherwise), u = 0 at the border;
 * the five-point matrix is spread over the ranks by blocks of *columns*. A rank multiplies its columns
 * with its part of the direction, which touches rows of others too, so every product ends in an
 * MPI_Allreduce of a whole vector: 8 * POINTS^2 bytes, some hundred times. All else each rank does
 * alone on whole vectors; since the reduction gives all ranks the same bits, they stay in step.
 *
 * Prints iterations, residual, a checksum of the solution (equal to the last digit with any MPI, as
 * no sum of a row has more than two parts from different ranks), and seconds.
 */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double dot(const double* a, const double* b, long n) {
    double sum = 0;
    for (long i = 0; i < n; ++i) sum += a[i] * b[i];
    return sum;
}

/* product += A[:, begin..end) * direction[begin..end), A the matrix of `points` x `points` points. */
static void multiply_columns(const double* direction, double* product, long points, long begin,
                             long end) {
    const long n = points * points;
    for (long column = begin; column < end; ++column) {
        const double value = direction[column];
        const long x = column % points;
        product[column] += 4 * value;
        if (x > 0) product[column - 1] -= value;
        if (x < points - 1) product[column + 1] -= value;
        if (column >= points) product[column - points] -= value;
        if (column < n - points) product[column + points] -= value;
    }
}

static double* vector(long n) {
    double* memory = calloc((size_t)n, sizeof(double));
    if (memory == NULL) {
        fprintf(stderr, "conjugate_gradient: no memory for a vector of %ld\n", n);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    return memory;
}

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    int rank = 0, ranks = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    const long points = argc > 1 ? atol(argv[1]) : 512;
    const long most = argc > 2 ? atol(argv[2]) : 10 * points;
    if (points < 2L * ranks || points > 16384 || most < 1) {
        if (rank == 0) {
            fprintf(stderr, "conjugate_gradient: POINTS from twice the ranks to 16384, ITERATIONS "
                            "from 1\n");
        }
        MPI_Finalize();
        return 2;
    }
    const long n = points * points;
    /* Whole grid lines, so that the rows of a block have neighbours in one other block at most. */
    const long begin = points * rank / ranks * points;
    const long end = points * (rank + 1) / ranks * points;

    double* solution = vector(n);
    double* residual = vector(n);
    double* direction = vector(n);
    double* product = vector(n);
    const double h = 1.0 / (double)(points + 1);
    for (long i = 0; i < n; ++i) {
        const double x = (double)(i % points + 1) * h;
        const double y = (double)(i / points + 1) * h;
        residual[i] = direction[i] = h * h * (1 + x * y + (x > 0.5 ? y : 0));
    }

    MPI_Barrier(MPI_COMM_WORLD);
    const double start = MPI_Wtime();
    double reducing = 0;
    double square = dot(residual, residual, n);
    const double enough = square * 1e-16;
    long iterations = 0;
    while (iterations < most && square > enough) {
        memset(product, 0, sizeof(double) * (size_t)n);
        multiply_columns(direction, product, points, begin, end);
        const double before = MPI_Wtime();
        MPI_Allreduce(MPI_IN_PLACE, product, (int)n, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
        reducing += MPI_Wtime() - before;

        const double step = square / dot(direction, product, n);
        for (long i = 0; i < n; ++i) {
            solution[i] += step * direction[i];
            residual[i] -= step * product[i];
        }
        const double next = dot(residual, residual, n);
        const double turn = next / square;
        for (long i = 0; i < n; ++i) direction[i] = residual[i] + turn * direction[i];
        square = next;
        ++iterations;
    }
    const double seconds = MPI_Wtime() - start;

    /* Every rank has the whole solution; if theirs differed anywhere, so would these. */
    const double checksum = dot(solution, solution, n);
    double lowest = 0, highest = 0;
    MPI_Allreduce(&checksum, &lowest, 1, MPI_DOUBLE, MPI_MIN, MPI_COMM_WORLD);
    MPI_Allreduce(&checksum, &highest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    if (rank == 0) {
        printf("unknowns %ld, ranks %d\n", n, ranks);
        printf("iterations %ld\n", iterations);
        printf("residual %.17g\n", sqrt(square));
        printf("checksum %.17g\n", checksum);
        printf("seconds %.3f, of these %.3f in MPI_Allreduce\n", seconds, reducing);
        if (lowest != highest) printf("the ranks' solutions differ\n");
    }
    free(solution);
    free(residual);
    free(direction);
    free(product);
    MPI_Finalize();
    return lowest == highest ? 0 : 1;
}
