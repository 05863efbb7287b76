/* Ranks in a ring, in C: each passes a token on, and a large array from its arena.
 *
 *     onecopy run -n 4 -- build/release/examples/example_ring_c
 */
#include <errno.h>
#include <onecopy/onecopy_node.h>
#include <stdio.h>
#include <stdlib.h>

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
    const int right = (rank + 1) % size;
    const int left = (rank + size - 1) % size;

    /* A token goes round, and everybody adds its rank. */
    int sum = 0;
    if (rank != 0) check(onecopy_recv(world, &sum, sizeof sum, left, 0, NULL), "receive the token");
    sum += rank;
    check(onecopy_send(world, &sum, sizeof sum, right, 0), "send the token");
    if (rank == 0) check(onecopy_recv(world, &sum, sizeof sum, left, 0, NULL), "receive the token");

    /* Arrays that lie in the arena are copied once, with no system call, or not at all. */
    const size_t count = 1 << 20;
    double* const numbers = onecopy_node_alloc(node, count * sizeof *numbers);
    if (numbers == NULL) check(-errno, "allocate");
    for (size_t i = 0; i < count; ++i) numbers[i] = rank + (double)i;
    onecopy_request* sending = NULL;
    check(onecopy_isend(world, numbers, count * sizeof *numbers, right, 1, &sending), "send");
    onecopy_view* theirs = NULL; /* read where it is */
    check(onecopy_recv_view(world, left, 1, &theirs, NULL), "receive");
    const double first = *(const double*)onecopy_view_data(theirs);
    check(onecopy_view_free(&theirs), "let the sender have its memory back");
    check(onecopy_wait(&sending, NULL), "send");

    check(onecopy_barrier(world), "wait for all");
    if (rank == 0) printf("%d ranks, sum %d\n", size, sum);
    check(onecopy_node_free(node, numbers), "free");
    check(onecopy_node_close(&node), "leave");
    const int good = first == left && (rank != 0 || sum == size * (size - 1) / 2);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
