// The lock of a rank that several threads of a process use. A thread that waits for a message lets
// it go between two looks, for some nanoseconds; std::mutex gives nobody who sleeps for it a turn
// then, and a long message would keep all others out for tenths of a second.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>
#include <mutex>

#include "os/pause.hpp"

namespace onecopy::node {

class TurnLock {
public:
    void lock() noexcept {
        if (mutex_.try_lock()) return;
        wanting_.fetch_add(1, std::memory_order_relaxed);
        bool held = false;
        for (int i = 0; i < most_looks && !held; ++i) {
            os::pause();
            held = mutex_.try_lock();
        }
        if (!held) mutex_.lock();
        wanting_.fetch_sub(1, std::memory_order_relaxed);
        turns_.fetch_add(1, std::memory_order_relaxed);
    }
    void unlock() noexcept { mutex_.unlock(); }

    /// Lets it go and takes it again; whoever waits for it had a turn in between, unless it is not
    /// put on a core for long. The counters are hints: nothing but who goes first depends on them.
    template <class Pause>
    void let_others_in(const Pause& pause) noexcept {
        const std::uint32_t before = turns_.load(std::memory_order_relaxed);
        mutex_.unlock();
        pause();
        for (int i = 0; i < most_yields && wanting_.load(std::memory_order_relaxed) > 0 &&
                        turns_.load(std::memory_order_relaxed) == before;
             ++i) {
            ::sched_yield();
        }
        lock();
    }

private:
    /// Some hundred microseconds, where nobody else wants the core: more than a wake-up takes.
    static constexpr int most_yields = 500;
    static constexpr int most_looks = 200;  // some microseconds, before one sleeps

    std::mutex mutex_;
    std::atomic<std::uint32_t> wanting_ = 0;  // threads that wait for it
    std::atomic<std::uint32_t> turns_ = 0;    // of those who have waited for it
};

}  // namespace onecopy::node
