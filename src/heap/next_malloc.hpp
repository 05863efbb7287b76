// The malloc that would serve the program if we were not here.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>

namespace onecopy::heap {

/// The functions that stand behind ours in the order of the dynamic loader: libc's, or those of
/// another malloc that was preloaded or linked as a library.
struct NextMalloc {
    void* (*malloc)(std::size_t);
    void (*free)(void*);
    void* (*calloc)(std::size_t, std::size_t);
    void* (*realloc)(void*, std::size_t);
    void* (*reallocarray)(void*, std::size_t, std::size_t);
    void* (*memalign)(std::size_t, std::size_t);
    int (*posix_memalign)(void**, std::size_t, std::size_t);
    void* (*aligned_alloc)(std::size_t, std::size_t);
    void* (*valloc)(std::size_t);
    void* (*pvalloc)(std::size_t);
    std::size_t (*malloc_usable_size)(void*);
    int (*madvise)(void*, std::size_t, int);
    pid_t (*fork)();
    int (*malloc_trim)(std::size_t);
    int (*mlockall)(int);
    int (*register_atfork)(void (*)(), void (*)(), void (*)(), void*);
};

/// They, looked up at the first call, which is the first malloc of the process: before any
/// constructor of ours. While that look-up itself allocates, small stand-ins over a fixed buffer
/// are returned. Ends the process with one line if libc lacks one of them.
const NextMalloc& next() noexcept;

/// Whether the next malloc is libc's own. Not before next() has been called once.
bool next_is_libc() noexcept;

/// The file that the next malloc comes from, for a message; owned by the loader.
const char* next_malloc_file() noexcept;

/// Whether `block` came from the stand-ins. Such a block is never given back.
bool is_bootstrap(const void* block) noexcept;

/// How long such a block is.
std::size_t bootstrap_size(const void* block) noexcept;

}  // namespace onecopy::heap
