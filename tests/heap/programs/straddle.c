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

/* Of the mappings of the file that `address` lies in, which stand side by side. */
static unsigned char* end_of_arena(const void* address) {
    char line[512];
    uintptr_t end = (uintptr_t)address;
    FILE* const maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from = 0, to = 0;
        CHECK(sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2);
        if (end >= from && end < to && strstr(line, "onecopy-arena") != NULL) end = to;
    }
    fclose(maps);
    return (unsigned char*)end;
}

int main(void) {
    unsigned char* const first = malloc(1 << 20);
    CHECK(first != NULL);
    unsigned char* const end = end_of_arena(first);
    unsigned char* const rest = malloc((size_t)(end - first) - (1 << 20));
    CHECK(rest == first + (1 << 20));
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
