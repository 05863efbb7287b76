#include "heap/process_heap.hpp"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <new>
#include <system_error>

#include "arena/forks.hpp"
#include "heap/next_malloc.hpp"
#include "heap/say.hpp"
#include "heap/settings.hpp"
#include "heap/stand_aside.hpp"
#include "os/no_cancel.hpp"

namespace onecopy::heap {

constinit Reach reach;
constinit Statistics statistics;

namespace {

constinit Settings settings;

/// Freed memory is kept for the next blocks, within these bounds (and a share of what is left).
constexpr std::size_t most_kept_bytes = std::size_t{256} << 20;
constexpr std::chrono::milliseconds kept_for{750};  // after a quarter of a second in `Recent`

// Never destroyed: blocks are freed until the last instruction of the process.
alignas(Heap) constinit std::byte heap_storage[sizeof(Heap)] = {};
constinit std::atomic<Heap*> the_heap{nullptr};

constinit std::mutex making;
constinit bool given_up = false;  // under `making`
constinit std::atomic<Reason> why_not{Reason::no_arena};

/// How deep this thread is in our own bookkeeping, whose large blocks (tables of a large arena) are
/// the next malloc's. Initial-exec: the loader has set it up with the thread.
[[gnu::tls_model("initial-exec")]] constinit thread_local int inside = 0;

class Inside {
public:
    Inside() noexcept { ++inside; }
    ~Inside() { --inside; }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
};

void give_up(Reason reason) noexcept {
    given_up = true;
    why_not.store(reason);
    // From now on nobody need look here, unless all is counted.
    if (!statistics.on()) reach.threshold_bytes.store(SIZE_MAX, std::memory_order_relaxed);
}

/// Whether an arena of our size would leave the program less address space than it has without:
/// it counts against this limit though it is not used.
bool address_space_is_limited() noexcept {
    rlimit limit{};
    return ::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

Reason reason_of(int error) noexcept {
    return error == EFBIG || error == EMFILE || error == ENOMEM ? Reason::limits : Reason::no_arena;
}

[[gnu::cold]] Heap* make() noexcept {
    const int error_before = errno;
    const os::NoCancel no_cancel;
    const Inside guard;
    const std::lock_guard only(making);
    if (Heap* made = the_heap.load(std::memory_order_acquire)) return made;
    if (given_up) return nullptr;
    if (settings.bad_threshold != nullptr) {
        say("onecopy: heap: ONECOPY_HEAP_THRESHOLD=%s: no number of bytes from %zu on; %zu is "
            "used, give one such as 256K\n",
            settings.bad_threshold, least_threshold, usual_threshold);
    }
    Heap* made = nullptr;
    if (stands_aside()) {
        give_up(Reason::another_malloc);
    } else if (address_space_is_limited()) {
        give_up(Reason::limits);
    } else {
        try {
            made = new (heap_storage)
                Heap({.capacity_bytes = 0, .kept_bytes = most_kept_bytes, .kept_for = kept_for});
            const auto range = made->space().range();
            reach.begin.store(reinterpret_cast<std::uintptr_t>(range.data()),
                              std::memory_order_relaxed);
            the_heap.store(made, std::memory_order_release);
            reach.bytes.store(range.size(), std::memory_order_release);  // (A)
        } catch (const std::system_error& error) {
            give_up(reason_of(error.code().value()));
        } catch (const std::bad_alloc&) {
            give_up(Reason::limits);
        } catch (...) {
            give_up(Reason::no_arena);
        }
    }
    errno = error_before;
    return made;
}

void before_fork() {
    making.lock();
    if (Heap* made = the_heap.load(std::memory_order_acquire)) made->lock_for_fork();
}

void after_fork_in_parent() {
    if (Heap* made = the_heap.load(std::memory_order_acquire)) made->unlock_after_fork();
    making.unlock();
}

void after_fork_in_child() {
    after_fork_in_parent();
    statistics.start_over();
}

[[gnu::constructor]] void start() {
    next();
    settings = read_settings([](const char* name) -> const char* { return std::getenv(name); });
    if (settings.off) return;
    if (settings.statistics) {
        remember_standard_error();
        statistics.switch_on();
    }
    handle_forks();
    reach.threshold_bytes.store(settings.threshold_bytes, std::memory_order_relaxed);
}

[[gnu::destructor]] void end() {
    if (statistics.on() && standard_error_is_the_same()) statistics.tell(settings.threshold_bytes);
}

}  // namespace

void handle_forks() {
    static constinit std::atomic<bool> done{false};
    if (done.exchange(true)) return;
    arena::watch_forks();  // first, so that its locks are taken inside of ours
    ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

Heap* heap() noexcept { return the_heap.load(std::memory_order_acquire); }

void* allocate_large(std::size_t bytes, std::size_t alignment, bool zero,
                     std::size_t spare_bytes) noexcept {
    if (inside != 0) {
        heard_us();
        return nullptr;
    }
    Heap* found = heap();
    if (found == nullptr) {
        found = make();
        if (found == nullptr) {
            statistics.passed_on(why_not.load(), bytes);
            return nullptr;
        }
    }
    const Inside guard;
    void* const block = found->allocate(bytes, alignment, zero, spare_bytes);
    if (block == nullptr) {
        statistics.passed_on(Reason::no_headroom, bytes);
    } else if (statistics.on()) {
        statistics.handed_out(found->size(block));
    }
    return block;
}

void free_ours(void* block) noexcept {
    const Inside guard;
    const std::size_t bytes = heap()->free(block);
    if (bytes == 0) bad_address("free", block);
    statistics.taken_back(bytes);
}

std::size_t size_of_ours(const void* block) noexcept { return heap()->size(block); }

bool resize_ours(void* block, std::size_t bytes) noexcept {
    const Inside guard;
    const std::size_t before = heap()->size(block);
    if (!heap()->resize(block, bytes)) return false;
    statistics.resized(before, heap()->size(block));
    return true;
}

bool trim() noexcept {
    Heap* const found = heap();
    if (found == nullptr) return false;
    const Inside guard;
    return found->trim() > 0;
}

void bad_address(const char* what, const void* address) noexcept {
    say("onecopy: heap: %s(%p): no block of malloc starts there, or it was freed before; the "
        "program has an error\n",
        what, address);
    std::abort();
}

}  // namespace onecopy::heap
