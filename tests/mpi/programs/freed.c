/* MPI_Comm_free waits for nobody: a rank may free a communicator and go on with another while a
 * member of the first one is still on its way out of the last call there.
 *
 * Without an argument that member is held up on purpose: the first page of its result is written
 * while it is protected, and the signal handler waits until rank 0 has used the next communicator.
 * "often": two pairs that share rank 0 take turns, as they come. */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { count = 1 << 16 };

static volatile int* other_was_used; /* in memory that all ranks share */
static char* page;
static size_t page_bytes;
static int rank, wrong;

static void held_up(int signal, siginfo_t* facts, void* context) {
    (void)signal, (void)context;
    const char* at = facts->si_addr;
    if (at < page || at >= page + page_bytes) _exit(99);
    while (*other_was_used == 0) usleep(1000);
    if (mprotect(page, page_bytes, PROT_READ | PROT_WRITE) != 0) _exit(98);
}

/* With rank 0 on one communicator of the two; `value` times two is the sum. */
static void sum(double* source, double* result, double value, MPI_Comm comm) {
    for (int i = 0; i < count; ++i) source[i] = value;
    MPI_Allreduce(source, result, count, MPI_DOUBLE, MPI_SUM, comm);
    for (int i = 0; i < count; ++i) wrong += result[i] != 2 * value;
}

static MPI_Comm pair_with(int partner) {
    const int ranks[] = {0, partner};
    MPI_Group world, group;
    MPI_Comm comm;
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_incl(world, 2, ranks, &group);
    MPI_Comm_create_group(MPI_COMM_WORLD, group, partner, &comm); /* nobody else takes part */
    MPI_Group_free(&group);
    MPI_Group_free(&world);
    return comm;
}

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Win window;
    void* shared;
    MPI_Aint bytes;
    int unit;
    MPI_Win_allocate_shared(rank == 0 ? sizeof(int) : 0, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &shared,
                            &window);
    MPI_Win_shared_query(window, 0, &bytes, &unit, &shared);
    other_was_used = shared;
    if (rank == 0) *other_was_used = 0;
    MPI_Barrier(MPI_COMM_WORLD);

    double* source = malloc(sizeof(double) * count);
    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    double* result = mmap(NULL, sizeof(double) * count, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (argc > 1 && strcmp(argv[1], "often") == 0) {
        for (int turn = 0; turn < 1000; ++turn) {
            for (int partner = 1; partner <= 2; ++partner) {
                if (rank != 0 && rank != partner) continue;
                MPI_Comm comm = pair_with(partner);
                sum(source, result, turn * 10 + partner, comm);
                MPI_Comm_free(&comm);
            }
        }
    } else {
        if (rank == 1) {
            /* The first half is rank 0's slice: it arrives through what the two share. */
            page = (char*)result;
            struct sigaction action;
            memset(&action, 0, sizeof action);
            action.sa_sigaction = held_up;
            action.sa_flags = SA_SIGINFO;
            sigaction(SIGSEGV, &action, NULL);
            mprotect(page, page_bytes, PROT_READ);
        }
        for (int partner = 1; partner <= 2; ++partner) {
            if (rank != 0 && rank != partner) continue;
            MPI_Comm comm = pair_with(partner);
            sum(source, result, 1000 * partner, comm);
            MPI_Comm_free(&comm);
        }
        if (rank == 0) *other_was_used = 1;
    }
    printf(wrong == 0 ? "freed is right\n" : "freed is WRONG: %d elements\n", wrong);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_free(&window);
    MPI_Finalize();
    return wrong != 0;
}
