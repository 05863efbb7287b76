/* takes WHAT...: does what its arguments say, in this order. For limits and odd surroundings.
 *   MiB          takes so many MiB, touches the first and the last byte, keeps them
 *   full:MiB     the same, and touches every page
 *   lazy:PERCENT takes this part of the machine's available memory, touches the two ends
 *   as:MiB  files:MiB  open:N   sets RLIMIT_AS, RLIMIT_FSIZE, RLIMIT_NOFILE
 *   shm          prints whether the last block is shared memory of ours
 *   fork         goes on in a child; the parent waits for it and ends
 *   fail:MiB     takes so many, which must be refused with ENOMEM
 *   close        closes standard error, so that the next file opened gets its number
 *   reopen:PATH  opens PATH for writing (as descriptor 2 after close)
 *   cancelled    a thread that is cancelled allocates and frees until it has ended
 *   free:KIND    a wrong free: inner, page, twice, realloc */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static unsigned char* volatile last;

static void take(size_t bytes, int all) {
    unsigned char* const block = malloc(bytes);
    CHECK(block != NULL);
    if (all) memset(block, 1, bytes);
    block[0] = block[bytes - 1] = 1;
    CHECK(malloc_usable_size(block) >= bytes);
    last = block;
}

static size_t available(void) {
    char line[256];
    size_t kib = 0;
    FILE* const info = fopen("/proc/meminfo", "r");
    while (fgets(line, sizeof line, info) != NULL && sscanf(line, "MemAvailable: %zu", &kib) != 1) {
    }
    fclose(info);
    return kib * 1024;
}

static int in_arena(const void* address) {
    char line[512];
    int found = 0;
    FILE* const maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from = 0, to = 0;
        if (strstr(line, "onecopy-arena") == NULL) continue;
        CHECK(sscanf(line, "%zx-%zx", &from, &to) == 2);
        found |= (uintptr_t)address >= from && (uintptr_t)address < to;
    }
    fclose(maps);
    return found;
}

static void limit(int what, rlim_t value) {
    struct rlimit both;
    CHECK(getrlimit(what, &both) == 0);
    both.rlim_cur = value;
    CHECK(setrlimit(what, &both) == 0);
}

static void* allocate_for_ever(void* at_work) {
    for (size_t i = 0;; ++i) {
        unsigned char* volatile const block = malloc((size_t)(1 + i % 40) << 20);
        CHECK(block != NULL);
        free((void*)block);
        if (i == 100) *(volatile int*)at_work = 1;
        pthread_testcancel();
    }
    return NULL;
}

static void cancel_threads(void) {
    for (int i = 0; i < 20; ++i) {
        static volatile int at_work;
        pthread_t thread;
        at_work = 0;
        CHECK(pthread_create(&thread, NULL, allocate_for_ever, (void*)&at_work) == 0);
        while (!at_work) usleep(100);
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        take(1 << 20, 0);
    }
}

static void free_wrongly(const char* kind) {
    unsigned char* volatile const block = malloc(1 << 20);
    if (strcmp(kind, "inner") == 0) free((void*)(block + 16));
    if (strcmp(kind, "page") == 0) free((void*)(block + 8192));
    if (strcmp(kind, "realloc") == 0) last = realloc((void*)(block + 4096), 100);
    free((void*)block);
    if (strcmp(kind, "twice") == 0) free((void*)block);
}

int main(int count, char** arguments) {
    for (int i = 1; i < count; ++i) {
        const char* const word = arguments[i];
        const char* const colon = strchr(word, ':');
        const size_t number = strtoull(colon != NULL ? colon + 1 : word, NULL, 10);
        const size_t mib = number << 20;
        if (strncmp(word, "full:", 5) == 0) {
            take(mib, 1);
        } else if (strncmp(word, "lazy:", 5) == 0) {
            take(available() / 100 * number, 0);
        } else if (strncmp(word, "as:", 3) == 0) {
            limit(RLIMIT_AS, mib);
        } else if (strncmp(word, "files:", 6) == 0) {
            limit(RLIMIT_FSIZE, mib);
        } else if (strncmp(word, "open:", 5) == 0) {
            limit(RLIMIT_NOFILE, number);
        } else if (strcmp(word, "shm") == 0) {
            limit(RLIMIT_NOFILE, 100);
            printf("%s\n", in_arena(last) ? "arena" : "next");
            fflush(stdout);
        } else if (strcmp(word, "fork") == 0) {
            fflush(stdout);
            const pid_t pid = fork();
            int status = 0;
            CHECK(pid >= 0);
            if (pid == 0) continue;
            CHECK(waitpid(pid, &status, 0) == pid);
            return status != 0;
        } else if (strncmp(word, "fail:", 5) == 0) {
            errno = 0;
            last = malloc(mib);
            CHECK(last == NULL && errno == ENOMEM);
        } else if (strcmp(word, "close") == 0) {
            close(2);
        } else if (strncmp(word, "reopen:", 7) == 0) {
            CHECK(open(colon + 1, O_WRONLY | O_CREAT | O_TRUNC, 0600) == 2);
        } else if (strcmp(word, "cancelled") == 0) {
            cancel_threads();
        } else if (strncmp(word, "free:", 5) == 0) {
            free_wrongly(colon + 1);
        } else {
            CHECK(number > 0);
            take(mib, 0);
        }
    }
    return 0;
}
