#include "heap/next_malloc.hpp"

#include <dlfcn.h>
#include <gnu/libc-version.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "heap/say.hpp"

namespace onecopy::heap {
namespace {

// What dlsym may take while it looks up. glibc's takes nothing where all goes well.
constexpr std::size_t bootstrap_bytes = 16384;
constexpr std::size_t header_bytes = 16;  // keeps the alignment, and the size for realloc
alignas(16) constinit std::byte bootstrap[bootstrap_bytes] = {};
constinit std::atomic<std::size_t> bootstrap_used{0};

void* bootstrap_malloc(std::size_t bytes) {
    const std::size_t whole =
        bytes > bootstrap_bytes ? bootstrap_bytes + 1 : (bytes + 15) / 16 * 16 + header_bytes;
    const std::size_t at =
        whole > bootstrap_bytes ? bootstrap_bytes : bootstrap_used.fetch_add(whole);
    if (at + whole > bootstrap_bytes) {
        errno = ENOMEM;
        return nullptr;
    }
    std::memcpy(bootstrap + at, &bytes, sizeof bytes);
    return bootstrap + at + header_bytes;  // still zero: nothing of it is used twice
}

std::size_t bootstrap_usable_size(void* block) {
    return block != nullptr ? bootstrap_size(block) : 0;
}

void bootstrap_free(void*) {}

void* bootstrap_calloc(std::size_t count, std::size_t bytes) {
    std::size_t whole = 0;
    return bootstrap_malloc(__builtin_mul_overflow(count, bytes, &whole) ? SIZE_MAX : whole);
}

void* bootstrap_realloc(void* block, std::size_t bytes) {
    void* const moved = bootstrap_malloc(bytes);
    if (moved != nullptr && block != nullptr) {
        std::memcpy(moved, block, std::min(bytes, bootstrap_size(block)));
    }
    return moved;
}

void* bootstrap_reallocarray(void* block, std::size_t count, std::size_t bytes) {
    std::size_t whole = 0;
    return bootstrap_realloc(block,
                             __builtin_mul_overflow(count, bytes, &whole) ? SIZE_MAX : whole);
}

void* bootstrap_memalign(std::size_t alignment, std::size_t bytes) {
    return bootstrap_malloc(alignment <= 16 ? bytes : SIZE_MAX);
}

int bootstrap_posix_memalign(void** block, std::size_t alignment, std::size_t bytes) {
    *block = bootstrap_memalign(alignment, bytes);
    return *block != nullptr ? 0 : ENOMEM;
}

void* bootstrap_valloc(std::size_t) { return bootstrap_malloc(SIZE_MAX); }

int bootstrap_madvise(void*, std::size_t, int) { return 0; }

pid_t bootstrap_fork() {
    errno = EAGAIN;
    return -1;
}

int bootstrap_malloc_trim(std::size_t) { return 0; }

int bootstrap_register_atfork(void (*)(), void (*)(), void (*)(), void*) { return ENOMEM; }

int bootstrap_mlockall(int) {
    errno = EAGAIN;
    return -1;
}

constexpr NextMalloc bootstrap_functions{
    bootstrap_malloc,         bootstrap_free,         bootstrap_calloc,
    bootstrap_realloc,        bootstrap_reallocarray, bootstrap_memalign,
    bootstrap_posix_memalign, bootstrap_memalign,     bootstrap_valloc,
    bootstrap_valloc,         bootstrap_usable_size,  bootstrap_madvise,
    bootstrap_fork,           bootstrap_malloc_trim,  bootstrap_mlockall,
    bootstrap_register_atfork};

// One thread looks up; whoever allocates meanwhile (mostly dlsym itself) gets the stand-ins.
enum class State { untouched, looking_up, found };
constinit std::atomic<State> state{State::untouched};
constinit NextMalloc found{};
constinit bool is_libc = false;
constinit const char* file = "";

template <class Function>
void find(Function& function, const char* name) noexcept {
    function = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
    if (function != nullptr) return;
    say("onecopy: heap: find the next %s: no library behind ours has it; run without onecopy\n",
        name);
    std::abort();
}

const void* object_of(const void* address, const char** name) noexcept {
    Dl_info facts{};
    if (::dladdr(address, &facts) == 0) return nullptr;
    if (name != nullptr && facts.dli_fname != nullptr) *name = facts.dli_fname;
    return facts.dli_fbase;
}

[[gnu::cold]] const NextMalloc& look_up() noexcept {
    State expected = State::untouched;
    if (!state.compare_exchange_strong(expected, State::looking_up)) {
        return expected == State::found ? found : bootstrap_functions;
    }
    find(found.malloc, "malloc");
    find(found.free, "free");
    find(found.calloc, "calloc");
    find(found.realloc, "realloc");
    find(found.reallocarray, "reallocarray");
    find(found.memalign, "memalign");
    find(found.posix_memalign, "posix_memalign");
    find(found.aligned_alloc, "aligned_alloc");
    find(found.valloc, "valloc");
    find(found.pvalloc, "pvalloc");
    find(found.malloc_usable_size, "malloc_usable_size");
    find(found.madvise, "madvise");
    find(found.fork, "fork");
    find(found.malloc_trim, "malloc_trim");
    find(found.mlockall, "mlockall");
    find(found.register_atfork, "__register_atfork");
    // Asked here, at the start, and not when a large block is wanted: the loader's lock is taken,
    // and a thread that loads a library holds it while it allocates.
    is_libc = object_of(reinterpret_cast<void*>(found.malloc), &file) ==
              object_of(reinterpret_cast<void*>(&::gnu_get_libc_version), nullptr);
    state.store(State::found, std::memory_order_release);
    return found;
}

}  // namespace

const NextMalloc& next() noexcept {
    if (state.load(std::memory_order_acquire) == State::found) [[likely]] {
        return found;
    }
    return look_up();
}

bool next_is_libc() noexcept { return is_libc; }

const char* next_malloc_file() noexcept { return file; }

bool is_bootstrap(const void* block) noexcept {
    return reinterpret_cast<std::uintptr_t>(block) - reinterpret_cast<std::uintptr_t>(bootstrap) <
           bootstrap_bytes;
}

std::size_t bootstrap_size(const void* block) noexcept {
    std::size_t bytes = 0;
    std::memcpy(&bytes, static_cast<const std::byte*>(block) - header_bytes, sizeof bytes);
    return bytes;
}

}  // namespace onecopy::heap
