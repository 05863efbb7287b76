// What this library allocates for itself: the nodes and tables of the arena's bookkeeping, the C++
// library that stands inside it. All of that is the next malloc's, whatever its size; the linker
// (--wrap) turns the calls of malloc and free in our own objects into these.
#include <cstddef>

#include "heap/next_malloc.hpp"

#define ONECOPY_OWN extern "C" __attribute__((visibility("hidden")))

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
ONECOPY_OWN void* __wrap_malloc(std::size_t bytes);
ONECOPY_OWN void* __wrap_calloc(std::size_t count, std::size_t bytes);
ONECOPY_OWN void* __wrap_realloc(void* block, std::size_t bytes);
ONECOPY_OWN void __wrap_free(void* block);

using onecopy::heap::is_bootstrap;
using onecopy::heap::next;

void* __wrap_malloc(std::size_t bytes) { return next().malloc(bytes); }
void* __wrap_calloc(std::size_t count, std::size_t bytes) { return next().calloc(count, bytes); }
void* __wrap_realloc(void* block, std::size_t bytes) { return next().realloc(block, bytes); }
void __wrap_free(void* block) {
    if (!is_bootstrap(block)) next().free(block);
}
// NOLINTEND(bugprone-reserved-identifier)
