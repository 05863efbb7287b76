/* A stranger's C program: two ranks that join by a key, by the installed library. */
#include <onecopy/onecopy_collectives.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int be_rank(int rank, const char* key) {
    onecopy_node_options options = ONECOPY_NODE_OPTIONS;
    onecopy_node* node = NULL;
    onecopy_request* request = NULL;
    options.key = key;
    options.rank = rank;
    options.size = 2;
    const int error = onecopy_node_open(&options, &node);
    if (error < 0) {
        fprintf(stderr, "rank %d: %s\n", rank, onecopy_error_text(error));
        return 1;
    }
    onecopy_comm* const world = onecopy_node_world(node);
    char* const memory = onecopy_node_alloc(node, 1000000);
    if (memory == NULL) return 1;
    memset(memory, 'a' + rank, 1000000);
    onecopy_status status;
    int good = rank == 0 ? onecopy_isend(world, memory, 1000000, 1, 5, &request) == 0
                         : onecopy_irecv(world, memory, 1000000, 0, 5, &request) == 0;
    good = good && onecopy_wait(&request, &status) == 0 && memory[999999] == 'a';
    good = good && (rank == 0 || status.bytes == 1000000);
    int sum = rank + 1;
    good = good && onecopy_allreduce(world, &sum, &sum, sizeof sum, ONECOPY_SUM | ONECOPY_INT32) == 0;
    good = good && sum == 3;
    return onecopy_node_close(&node) == 0 && good ? 0 : 1;
}

int main(void) {
    char key[64];
    snprintf(key, sizeof key, "a stranger's key %ld", (long)getpid());
    const pid_t child = fork();
    if (child == 0) _exit(be_rank(1, key));
    const int good = be_rank(0, key) == 0;
    int status = 1;
    waitpid(child, &status, 0);
    return good && status == 0 ? 0 : 1;
}
