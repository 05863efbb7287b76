/* Prints what madvise answers on malloc's memory and what it leaves there. Run with and without the
 * heap: the output must be the same. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { page = 4096, pages = 512 };

static int advise(void* address, size_t bytes, int advice) {
    errno = 0;
    const int result = madvise(address, bytes, advice);
    printf(" %d/%d", result, errno);
    return result;
}

/* How many bytes of [from, to) are 0, and how many 0xab. */
static void count(const unsigned char* bytes, size_t from, size_t to) {
    size_t zero = 0, old = 0;
    for (size_t i = from; i < to; ++i) {
        zero += bytes[i] == 0;
        old += bytes[i] == 0xab;
    }
    printf(" %zu+%zu", zero, old);
}

static void row(const char* name, unsigned char* block, size_t from, size_t bytes, int advice) {
    memset(block, 0xab, (size_t)pages * page);
    printf("%s:", name);
    advise(block + from, bytes, advice);
    count(block, 0, (size_t)pages * page);
    printf("\n");
}

int main(void) {
    unsigned char* const block = aligned_alloc(page, (size_t)pages * page);
    CHECK(block != NULL);
    const size_t whole = (size_t)pages * page;
    row("don't need all", block, 0, whole, MADV_DONTNEED);
    row("don't need some pages", block, 3 * page, 5 * page, MADV_DONTNEED);
    row("a length that is no page's", block, 3 * page, 5 * page + 1, MADV_DONTNEED);
    row("a start that is no page's", block, 3 * page + 8, 5 * page, MADV_DONTNEED);
    row("nothing", block, page, 0, MADV_DONTNEED);
    row("a length that wraps around", block, page, SIZE_MAX - 100, MADV_DONTNEED);
    row("normal", block, 0, whole, MADV_NORMAL);
    row("will need", block, 0, whole, MADV_WILLNEED);
    row("an advice that is none", block, 0, whole, 12345);

    /* MADV_FREE may take effect at once or never; what is written afterwards stays. */
    memset(block, 0xab, whole);
    printf("free:");
    advise(block, whole, MADV_FREE);
    for (size_t i = 0; i < whole; ++i) CHECK(block[i] == 0 || block[i] == 0xab);
    memset(block, 0xcd, whole);
    for (size_t i = 0; i < whole; ++i) CHECK(block[i] == 0xcd);
    printf("\n");

    printf("read-only:");
    memset(block, 0xab, whole);
    CHECK(mprotect(block, whole, PROT_READ) == 0);
    advise(block, 4 * page, MADV_DONTNEED);
    count(block, 0, whole);
    CHECK(mprotect(block, whole, PROT_READ | PROT_WRITE) == 0);
    printf("\n");

    printf("not forked:");
    advise(block, page, MADV_DONTFORK);
    advise(block, page, MADV_DOFORK);
    printf("\n");

    /* The same in a child, whose parent's bytes must not show again, and stay the parent's. */
    memset(block, 0xab, whole);
    fflush(stdout);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        printf("in a child:");
        advise(block, 4 * page, MADV_DONTNEED);
        count(block, 0, whole);
        memset(block, 0x12, whole);
        advise(block, 2 * page, MADV_DONTNEED);
        for (int i = 0; i < 4 * page; ++i) CHECK(block[i] == (i < 2 * page ? 0 : 0x12));
        printf("\n");
        fflush(stdout);
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    printf("in its parent:");
    count(block, 0, whole);
    printf("\n");

    unsigned char* const other =
        mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(other != MAP_FAILED);
    memset(other, 0xab, 4 * page);
    printf("memory of mmap:");
    advise(other, 2 * page, MADV_DONTNEED);
    count(other, 0, 4 * page);
    munmap(other + page, page);
    advise(other, 4 * page, MADV_DONTNEED);
    printf("\n");
    free(block);
    return 0;
}
