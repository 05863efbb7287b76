/* A program in C of three ranks that need each other's collective calls: numbers are dealt out,
 * combined, and gathered again, several calls at once. `onecopy run -n 3` starts it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onecopy/onecopy_collectives.h"

enum { ranks = 3 };

static void expect(int good, const char* what) {
    if (good) return;
    fprintf(stderr, "not so: %s\n", what);
    exit(EXIT_FAILURE);
}
#define EXPECT(condition) expect((condition), #condition)

/* The larger of two words, by their length: *(int*)context of bytes each. */
static void longer(const void* left, const void* right, void* result, size_t count, void* context) {
    const size_t bytes = (size_t) * (int*)context;
    for (size_t i = 0; i < count; ++i) {
        const char* const a = (const char*)left + i * bytes;
        const char* const b = (const char*)right + i * bytes;
        memmove((char*)result + i * bytes, strlen(b) > strlen(a) ? b : a, bytes);
    }
}

static void use(onecopy_comm* world) {
    const int rank = onecopy_comm_rank(world);
    const int dealt[ranks * 2] = {10, 11, 20, 21, 30, 31};
    int own[2] = {0, 0}, sums[2] = {0, 0}, all[ranks * 2] = {0, 0, 0, 0, 0, 0};
    EXPECT(onecopy_scatter(world, rank == 1 ? dealt : NULL, own, sizeof own, 1) == 0);
    EXPECT(own[0] == 10 * (rank + 1) && own[1] == 10 * (rank + 1) + 1);

    /* Five at once. */
    onecopy_request* requests[5] = {NULL, NULL, NULL, NULL, NULL};
    const char words[ranks][8] = {"a", "longest", "and"};
    char word[8] = "";
    int word_bytes = sizeof word, before = -1;
    const size_t bytes[ranks] = {4, 0, 8}, offsets[ranks] = {8, 8, 0};
    int parts[3] = {0, 0, 0};
    EXPECT(onecopy_iallreduce(world, own, sums, sizeof own, ONECOPY_SUM | ONECOPY_INT32,
                              &requests[0]) == 0);
    EXPECT(onecopy_iallgather(world, own, all, sizeof own, &requests[1]) == 0);
    EXPECT(onecopy_ireduce_by(world, words[rank], word, sizeof word, longer, sizeof word,
                              &word_bytes, 2, &requests[2]) == 0);
    EXPECT(onecopy_iexscan(world, own, &before, sizeof before, ONECOPY_MAX | ONECOPY_INT32,
                           &requests[3]) == 0);
    EXPECT(onecopy_iallgatherv(world, own, parts, bytes, offsets, &requests[4]) == 0);
    onecopy_status statuses[5];
    EXPECT(onecopy_wait_all(requests, 5, statuses) == 0);
    for (int i = 0; i < 5; ++i) EXPECT(requests[i] == NULL && statuses[i].error == 0);
    EXPECT(sums[0] == 60 && sums[1] == 63);
    EXPECT(memcmp(all, dealt, sizeof all) == 0);
    EXPECT(strcmp(word, rank == 2 ? "longest" : "") == 0);
    EXPECT(before == (rank == 0 ? -1 : 10 * rank));
    EXPECT(parts[0] == 30 && parts[1] == 31 && parts[2] == 10);

    /* One that is waited for by looking. */
    EXPECT(onecopy_ibarrier(world, &requests[0]) == 0);
    int over = 0;
    while (over == 0) over = onecopy_test(&requests[0], NULL);
    EXPECT(over == 1 && requests[0] == NULL);
}

int main(void) {
    onecopy_node* node = NULL;
    EXPECT(onecopy_node_open(NULL, &node) == 0);
    EXPECT(onecopy_node_size(node) == ranks);
    use(onecopy_node_world(node));
    EXPECT(onecopy_node_close(&node) == 0);
    return EXIT_SUCCESS;
}
