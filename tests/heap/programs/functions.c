/* Prints what every function of malloc's family answers, and errno, for good and bad arguments. Run
 * with and without the heap: the output must be the same. No addresses are printed, only whether
 * there is one. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

#include "check.h"

static volatile size_t sizes[] = {
    0,     1,       100,           4096,         65535,           65536,
    65537, 1 << 20, (5 << 20) + 7, SIZE_MAX / 2, SIZE_MAX - 4095, SIZE_MAX};
static volatile size_t alignments[] = {
    0, 1, 2, 3, 7, 8, 16, 24, 64, 4096, 5000, 65536, 1 << 21, 1 << 25, SIZE_MAX / 2 + 1, SIZE_MAX};
enum {
    size_count = sizeof sizes / sizeof *sizes,
    alignment_count = sizeof alignments / sizeof *alignments
};

static void* volatile kept; /* so that the compiler cannot follow a block */

static void show(const char* what, size_t a, size_t b, void* block) {
    printf("%s %zx %zx: %s, errno %d\n", what, a, b, block != NULL ? "block" : "null", errno);
    if (block != NULL && b > 0 && b < SIZE_MAX / 2) {
        CHECK(malloc_usable_size(block) >= b);
        memset(block, 0x5a, malloc_usable_size(block));
    }
    kept = block;
    free(kept);
    errno = 0;
}

static void* dirty(size_t bytes) {
    unsigned char* block = malloc(bytes);
    if (block != NULL) memset(block, 0x77, bytes);
    kept = block;
    return kept;
}

static void show_realloc(size_t from, size_t to) {
    unsigned char* const old = dirty(from);
    if (from > SIZE_MAX / 4) return;
    errno = 0;
    unsigned char* const block = realloc(old, to);
    const int error = errno;
    printf("realloc %zx %zx: %s, errno %d\n", from, to, block != NULL ? "block" : "null", error);
    if (block != NULL) {
        for (size_t i = 0; i < from && i < to; ++i) CHECK(block[i] == 0x77);
        CHECK(malloc_usable_size(block) >= to);
        memset(block, 0x11, malloc_usable_size(block));
        kept = block;
        free(kept);
    } else if (to != 0) { /* the old one is still there; size 0 has freed it */
        for (size_t i = 0; i < from; ++i) CHECK(old[i] == 0x77);
        kept = old;
        free(kept);
    }
}

int main(void) {
    free(NULL);
    CHECK(malloc_usable_size(NULL) == 0);
    for (int i = 0; i < size_count; ++i) {
        const size_t bytes = sizes[i];
        errno = 0;
        show("malloc", 0, bytes, malloc(bytes));
        show("realloc of null", 0, bytes, realloc(NULL, bytes));
        show("valloc", 0, bytes, valloc(bytes));
        show("pvalloc", 0, bytes, pvalloc(bytes));
        for (int j = 0; j < size_count; ++j) {
            show("calloc", sizes[j], bytes, calloc(sizes[j], bytes > 4096 ? bytes : bytes % 9));
            show("reallocarray", sizes[j], bytes, reallocarray(NULL, sizes[j], bytes));
            if (i != size_count - 1) show_realloc(bytes, sizes[j]);
        }
        for (int j = 0; j < alignment_count; ++j) {
            const size_t alignment = alignments[j];
            void* block = memalign(alignment, bytes);
            CHECK(alignment == 0 || (alignment & (alignment - 1)) != 0 ||
                  (uintptr_t)block % alignment == 0);
            show("memalign", alignment, bytes, block);
            block = aligned_alloc(alignment, bytes);
            CHECK(alignment == 0 || (alignment & (alignment - 1)) != 0 ||
                  (uintptr_t)block % alignment == 0);
            show("aligned_alloc", alignment, bytes, block);
            block = (void*)&kept;
            const int result = posix_memalign(&block, alignment, bytes);
            printf("posix_memalign %d %s\n", result, block == (void*)&kept ? "untouched" : "set");
            if (result == 0) {
                CHECK((uintptr_t)block % alignment == 0);
                show("posix_memalign", alignment, bytes, block);
            }
            errno = 0;
        }
    }
    /* A product that overflows leaves the old block alone. */
    for (int i = 0; i < 2; ++i) {
        kept = dirty(i == 0 ? 100 : 1 << 20);
        errno = 0;
        void* const none = reallocarray(kept, sizes[9], 4);
        printf("reallocarray overflow: %s, errno %d\n", none != NULL ? "block" : "null", errno);
        CHECK(((unsigned char*)kept)[99] == 0x77);
        free(kept);
    }
    return 0;
}
