#include "arena/forks.hpp"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <new>

#include "arena/fork_hold.hpp"
#include "arena/space.hpp"
#include "os/coarse_clock.hpp"

namespace onecopy::arena {

/// What forks know. A lock is held from before a fork until after it, so that forks of several
/// threads come one after another.
struct ForkList {
    std::mutex lock;
    ForkAware* first = nullptr;
    Space* spaces = nullptr;

    void add(ForkAware& one) noexcept {
        const std::lock_guard guard(lock);
        one.next_ = first;
        first = &one;
    }
    void remove(ForkAware& one) noexcept {
        const std::lock_guard guard(lock);
        for (ForkAware** at = &first; *at != nullptr; at = &(*at)->next_) {
            if (*at != &one) continue;
            *at = one.next_;
            return;
        }
    }
    void tell(void (ForkAware::*what)()) noexcept {
        for (ForkAware* at = first; at != nullptr; at = at->next_) (at->*what)();
    }
};

namespace {

/// Never destroyed: threads may fork while static objects go.
ForkList& list() noexcept {
    alignas(ForkList) static std::byte room[sizeof(ForkList)];
    static auto* const made = new (room) ForkList;
    return *made;
}

/// Between the handlers of one fork.
ForkHold& hold() noexcept {
    alignas(ForkHold) static std::byte room[sizeof(ForkHold)];
    static auto* const made = new (room) ForkHold;
    return *made;
}

thread_local bool refused = false;

/// Whether this thread is between the handlers of a fork, which hold all locks.
thread_local bool forking = false;

template <class Do>
void for_spaces(const Do& act) noexcept {
    for (Space* space = list().spaces; space != nullptr; space = space->next_in_forks()) {
        act(*space);
    }
}

void before_fork() noexcept {
    // Our own parent may still be held for us, or copying: then our child would be forgotten.
    if (unsettled.load(std::memory_order_acquire)) hold().wait_for_our_parent();
    list().lock.lock();
    forking = true;
    refused = false;
    list().tell(&ForkAware::before_fork);
    Presence::before_fork();
    std::size_t bytes = 0;
    bool by_hand = false, handed_out = false;
    for_spaces([&](Space& space) {
        space.lock_for_fork();
        bytes += space.list_for_fork();
        by_hand = by_hand || space.copies_by_hand();
        handed_out = handed_out || space.has_handed_out();
    });
    // Other threads may touch the first page of a block until the child is made.
    if (bytes == 0 && handed_out && other_threads_run()) bytes = 1;
    hold().prepare(bytes, by_hand, list().spaces != nullptr ? &list().spaces->headroom() : nullptr);
}

void unlock() noexcept {
    for_spaces([](Space& space) { space.unlock_after_fork(); });
    Presence::after_fork();
    forking = false;
    list().lock.unlock();
    hold().let_signals_in();
}

void in_parent() noexcept {
    const auto each_range = [](const auto& each) {
        for_spaces([&](Space& space) {
            for (const Range& range : space.listed_for_fork()) each(range);
        });
    };
    const auto hold_writes = [] {
        bool held = true;
        for_spaces([&](Space& space) { held = held && space.hold_writes(); });
        // What they touched for the first time since it was listed is not in the child.
        for_spaces([&](Space& space) {
            space.each_touched_since([&](const Range& range) { hold().give_child(range); });
        });
        return held;
    };
    refused = !hold().supervise(each_range, hold_writes);
    for_spaces([](Space& space) { space.release_writes(); });
    hold().finish();
    list().tell(&ForkAware::after_fork);
    unlock();
}

bool settle_all() noexcept {
    bool all = true;
    for_spaces([&](Space& space) { all = space.settle() && all; });
    unsettled.store(!all, std::memory_order_release);
    return all;
}

void in_child() noexcept {
    bool good = true;
    if (hold().has_room()) {
        for_spaces([&](Space& space) { good = space.become_private() && good; });
    } else {
        good = false;
    }
    list().tell(&ForkAware::in_child);
    unsettled.store(true, std::memory_order_release);
    if (!good) hold().give_up_child();
    if (hold().enter_child() == ForkHold::Order::copy) {
        if (!settle_all()) hold().give_up_child();
        hold().child_has_copied();
    }
    unlock();
}

}  // namespace

void ForkAware::enter_forks() {
    watch_forks();
    list().add(*this);
}
void ForkAware::leave_forks() noexcept { list().remove(*this); }

void watch_forks() {
    static constinit std::atomic<bool> done{false};
    if (done.exchange(true)) return;
    if (::pthread_atfork(before_fork, in_parent, in_child) != 0) throw std::bad_alloc();
}

void enter_forks(Space& space) {
    watch_forks();
    const std::lock_guard guard(list().lock);
    space.set_next_in_forks(list().spaces);
    list().spaces = &space;
}

void leave_forks(Space& space) noexcept {
    const std::lock_guard guard(list().lock);
    Space* before = nullptr;
    for (Space* at = list().spaces; at != nullptr; before = at, at = at->next_in_forks()) {
        if (at != &space) continue;
        if (before == nullptr) {
            list().spaces = at->next_in_forks();
        } else {
            before->set_next_in_forks(at->next_in_forks());
        }
        return;
    }
}

void wait_for_our_parent() noexcept {
    if (unsettled.load(std::memory_order_acquire)) hold().wait_for_our_parent();
}

bool our_parent_is_held() noexcept {
    return unsettled.load(std::memory_order_acquire) && hold().our_parent_is_held();
}

bool fork_was_refused() noexcept { return refused; }

bool on_an_arena_stack() noexcept {
    const char here = 0;
    const std::lock_guard guard(list().lock);
    bool found = false;
    for_spaces([&](const Space& space) { found = found || space.owns(&here); });
    return found;
}

void settle_now() noexcept {
    // A look takes some microseconds, and threads may run in this child for ever.
    constexpr std::uint64_t every_ms = 10;
    static constinit std::atomic<std::uint64_t> next_look_ms{0};
    const std::uint64_t now = os::coarse_ms();
    if (now < next_look_ms.load(std::memory_order_relaxed)) return;
    next_look_ms.store(now + every_ms, std::memory_order_relaxed);
    if (forking || hold().our_parent_is_held() || other_threads_run()) return;
    // A handler that wrote between the copying of a page and its replacement would lose that.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    {
        const std::lock_guard guard(list().lock);
        for_spaces([](Space& space) { space.lock_for_fork(); });
        settle_all();
        for_spaces([](Space& space) { space.unlock_after_fork(); });
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace onecopy::arena
