/* Advice on a range that begins before the arena and ends in it. Only under the heap: looks for the
 * arena in /proc/self/maps. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"

enum { page = 4096 };

int main(void) {
    unsigned char* const block = malloc(1 << 20); /* the first: at the arena's beginning */
    CHECK(block != NULL);
    uintptr_t begin = 0, end = 0;
    char line[512];
    FILE* const maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from = 0, to = 0;
        if (strstr(line, "onecopy-arena") == NULL) continue;
        CHECK(sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2);
        if (begin == 0) begin = from;
        end = to;
    }
    fclose(maps);
    CHECK(begin == (uintptr_t)block && end > begin + (1 << 20));
    unsigned char* const before = mmap((void*)(begin - 4 * page), 4 * page, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (before == MAP_FAILED) return 77; /* something stands there */
    memset(before, 0xab, 4 * page);
    memset(block, 0xab, 1 << 20);
    CHECK(madvise(before + 2 * page, 5 * page, MADV_DONTNEED) == 0);
    for (int i = 0; i < 2 * page; ++i) CHECK(before[i] == 0xab);
    for (int i = 2 * page; i < 4 * page; ++i) CHECK(before[i] == 0);
    for (int i = 0; i < 3 * page; ++i) CHECK(block[i] == 0);
    for (int i = 3 * page; i < 1 << 20; ++i) CHECK(block[i] == 0xab);
    /* A hole does not stop it, and is told. */
    memset(block, 0xab, 1 << 20);
    CHECK(munmap(before + 3 * page, page) == 0);
    errno = 0;
    CHECK(madvise(before, 5 * page, MADV_DONTNEED) == -1 && errno == ENOMEM);
    for (int i = 0; i < 3 * page; ++i) CHECK(before[i] == 0);
    for (int i = 0; i < page; ++i) CHECK(block[i] == 0);
    CHECK(block[page] == 0xab);
    return 0;
}
