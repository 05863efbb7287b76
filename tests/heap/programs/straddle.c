/* Advice on a range that begins in the arena and ends behind it. Only under the heap, and where its
 * arena is small (ulimit -f), so that one block reaches to the end. 77: something stands there. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"

enum { page = 4096 };

static uintptr_t end_of_arena(void) {
    uintptr_t end = 0;
    char line[512];
    FILE* const maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from = 0, to = 0;
        if (strstr(line, "onecopy-arena") == NULL) continue;
        CHECK(sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2);
        end = to;
    }
    fclose(maps);
    return end;
}

int main(int count, char** arguments) {
    CHECK(count == 2);
    const size_t whole = strtoull(arguments[1], NULL, 10); /* the arena's */
    unsigned char* const block = malloc(whole);
    CHECK(block != NULL);
    unsigned char* const end = block + whole;
    CHECK((uintptr_t)end == end_of_arena());
    unsigned char* const after = mmap(end, 4 * page, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (after == MAP_FAILED) return 77;
    memset(end - 8 * page, 0xab, 12 * page);
    CHECK(madvise(end - 3 * page, 5 * page, MADV_DONTNEED) == 0);
    for (int i = -8 * page; i < 4 * page; ++i) {
        CHECK(end[i] == (i < -3 * page || i >= 2 * page ? 0xab : 0));
    }
    /* A hole does not stop it, and is told. */
    memset(end - 8 * page, 0xab, 12 * page);
    CHECK(munmap(after + page, page) == 0);
    errno = 0;
    CHECK(madvise(end - 3 * page, 7 * page, MADV_DONTNEED) == -1 && errno == ENOMEM);
    for (int i = -8 * page; i < 4 * page; ++i) {
        if (i >= page && i < 2 * page) continue;
        CHECK(end[i] == (i < -3 * page ? 0xab : 0));
    }
    return 0;
}
