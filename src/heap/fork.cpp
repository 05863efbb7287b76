// fork() itself: what the handlers of the arena cannot do, to fail.
#include <sys/types.h>
#include <sys/wait.h>

#include <cerrno>
#include <new>

#include "arena/forks.hpp"
#include "heap/next_malloc.hpp"
#include "heap/process_heap.hpp"
#include "heap/say.hpp"

#define ONECOPY_EXPORT extern "C" __attribute__((visibility("default")))

// What pthread_atfork() calls. Libraries register before this one is initialised; but ours must be
// the first, so that all others have taken their locks by the time we make the arena stand still.
ONECOPY_EXPORT int __register_atfork(void (*before)(), void (*in_parent)(), void (*in_child)(),
                                     void* library) noexcept {
    try {
        onecopy::heap::handle_forks();
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    }
    return onecopy::heap::next().register_atfork(before, in_parent, in_child, library);
}

ONECOPY_EXPORT pid_t fork() noexcept {
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
