// fork() itself: what the handlers of the arena cannot do, to fail.
#include <sys/types.h>
#include <sys/wait.h>

#include <cerrno>

#include "arena/forks.hpp"
#include "heap/next_malloc.hpp"
#include "heap/say.hpp"

extern "C" __attribute__((visibility("default"))) pid_t fork() noexcept {
    using namespace onecopy;
    if (arena::on_an_arena_stack()) {
        heap::say(
            "onecopy: heap: fork: the calling thread's stack is a large block of malloc, which "
            "parent and child would share for a moment; use posix_spawn, take the stack by mmap, "
            "or set ONECOPY_HEAP=0\n");
        errno = ENOMEM;
        return -1;
    }
    const pid_t child = heap::next().fork();
    if (child <= 0 || !arena::fork_was_refused()) return child;
    // It has been killed, because its copies found no memory.
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    errno = ENOMEM;
    return -1;
}
