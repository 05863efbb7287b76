/* Ranks that draw numbers from a counter of rank 0's, in C: each gets others than the rest.
 *
 *     onecopy run -n 4 -- build/release/examples/example_counter_c
 */
#include <inttypes.h>
#include <onecopy/onecopy_window.h>
#include <stdio.h>
#include <stdlib.h>

enum { draws = 1000 };

static void check(int result, const char* what) {
    if (result >= 0) return;
    fprintf(stderr, "onecopy: %s: %s\n", what, onecopy_error_text(result));
    exit(EXIT_FAILURE);
}

int main(void) {
    onecopy_node* node = NULL;
    check(onecopy_node_open(NULL, &node), "join the job");
    onecopy_comm* const world = onecopy_node_world(node);
    const int rank = onecopy_comm_rank(world);
    const int size = onecopy_comm_size(world);

    /* Rank 0 has the counter and the sum of all numbers that were drawn. */
    onecopy_window* window = NULL;
    check(onecopy_window_allocate(world, rank == 0 ? 2 * sizeof(int64_t) : 0, &window), "allocate");
    int64_t* const mine = onecopy_window_memory(window, NULL);
    if (rank == 0) mine[0] = mine[1] = 0;
    check(onecopy_fence(window), "fence");

    const unsigned long add = ONECOPY_SUM | ONECOPY_INT64;
    const int64_t one = 1;
    int64_t sum = 0;
    for (int i = 0; i < draws; ++i) {
        int64_t number = 0;
        check(onecopy_fetch_and_op(window, &one, &number, 0, 0, add), "draw");
        sum += number;
    }
    check(onecopy_accumulate(window, &sum, sizeof sum, 0, sizeof sum, add), "add up");
    check(onecopy_fence(window), "fence");

    int good = 1;
    if (rank == 0) {
        const int64_t all = (int64_t)draws * size;
        good = mine[0] == all && mine[1] == all * (all - 1) / 2;
        printf("%d ranks drew %" PRId64 " numbers\n", size, mine[0]);
    }
    check(onecopy_window_free(&window), "free");
    check(onecopy_node_close(&node), "leave");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
