/* Ranks that sum and gather, in C: each has some of a million numbers; all learn their sum, their
 * mean and their spread, and rank 0 gets what each rank says of its own.
 *
 *     onecopy run -n 4 -- build/release/examples/example_sums
 */
#include <errno.h>
#include <onecopy/onecopy_collectives.h>
#include <stdio.h>
#include <stdlib.h>

static void check(int result, const char* what) {
    if (result >= 0) return;
    fprintf(stderr, "onecopy: %s: %s\n", what, onecopy_error_text(result));
    exit(EXIT_FAILURE);
}

/* Where the largest number is: an operation of our own, on elements of our own. */
struct place {
    double value;
    long at;
};
static void larger(const void* left, const void* right, void* result, size_t count, void* unused) {
    const struct place* const a = left;
    const struct place* const b = right;
    struct place* const larger_one = result;
    (void)unused;
    for (size_t i = 0; i < count; ++i) larger_one[i] = b[i].value > a[i].value ? b[i] : a[i];
}

int main(void) {
    onecopy_node* node = NULL;
    check(onecopy_node_open(NULL, &node), "join the job");
    onecopy_comm* const world = onecopy_node_world(node);
    const int rank = onecopy_comm_rank(world);
    const int size = onecopy_comm_size(world);

    /* What lies in the arena is copied once, with no system call. */
    const size_t count = 250000, bytes = count * sizeof(double);
    double* const numbers = onecopy_node_alloc(node, bytes);
    if (numbers == NULL) check(-errno, "allocate");
    double sum = 0;
    struct place own = {-1, -1}, most = own;
    for (size_t i = 0; i < count; ++i) {
        numbers[i] = (double)((i * 7919 + (size_t)rank * 104729) % 1000003);
        sum += numbers[i];
        if (numbers[i] > own.value) own = (struct place){numbers[i], (long)(rank * count + i)};
    }

    /* One goes on while the next is computed; the sums end up where they were. */
    double sums[2] = {sum, (double)count};
    onecopy_request* summing = NULL;
    check(
        onecopy_iallreduce(world, sums, sums, sizeof sums, ONECOPY_SUM | ONECOPY_FLOAT64, &summing),
        "sum up");
    double squares = 0;
    for (size_t i = 0; i < count; ++i) squares += numbers[i] * numbers[i];
    check(onecopy_wait(&summing, NULL), "sum up");
    check(
        onecopy_allreduce(world, &squares, &squares, sizeof squares, ONECOPY_SUM | ONECOPY_FLOAT64),
        "sum the squares up");
    check(onecopy_allreduce_by(world, &own, &most, sizeof most, larger, sizeof most, NULL),
          "find the largest");
    const double mean = sums[0] / sums[1];

    /* Rank 0 alone has room for all. */
    double* const rows = rank == 0 ? malloc((size_t)size * sizeof *rows) : NULL;
    if (rank == 0 && rows == NULL) check(-ENOMEM, "allocate");
    check(onecopy_gather(world, &sum, rows, sizeof sum, 0), "gather");
    int good = most.value >= own.value && squares / sums[1] >= mean * mean;
    if (rank == 0) {
        double all = 0;
        for (int i = 0; i < size; ++i) all += rows[i];
        good = good && all == sums[0]; /* whole numbers: no order matters */
        printf("%d ranks, mean %.3f, variance %.0f, largest %.0f at %ld\n", size, mean,
               squares / sums[1] - mean * mean, most.value, most.at);
    }
    free(rows);
    check(onecopy_node_free(node, numbers), "free");
    check(onecopy_node_close(&node), "leave");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
