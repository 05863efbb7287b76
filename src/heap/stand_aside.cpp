#include "heap/stand_aside.hpp"

#include <cstddef>

#include "heap/next_malloc.hpp"
#include "heap/process_heap.hpp"
#include "heap/say.hpp"

// The program's malloc and free: in this library the plain names mean the next ones.
// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
extern "C" void* __real_malloc(std::size_t bytes);
extern "C" void __real_free(void* block);
// NOLINTEND(bugprone-reserved-identifier)

namespace onecopy::heap {
namespace {

[[gnu::tls_model("initial-exec")]] constinit thread_local bool heard = false;

/// Whether the program's own malloc leads to ours. Not by comparing addresses: a wrapper in front
/// that calls us is fine, and in an executable at a fixed place a function's address is not its
/// library's.
bool program_calls_us() noexcept {
    heard = false;
    __real_free(__real_malloc(reach.threshold_bytes.load(std::memory_order_relaxed)));
    return heard;
}

}  // namespace

bool stands_aside() noexcept {
    if (!next_is_libc()) {
        say("onecopy: heap: take large blocks: %s has a malloc of its own, which serves all; "
            "leave one of the two out\n",
            next_malloc_file());
        return true;
    }
    if (program_calls_us()) return false;
    say("onecopy: heap: take large blocks: another malloc in front of ours serves most; leave one "
        "of the two out\n");
    return true;
}

void heard_us() noexcept { heard = true; }

}  // namespace onecopy::heap
