// Sleeping until another process changes a word of shared memory.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>

namespace onecopy::os {

static_assert(std::atomic<std::uint32_t>::is_always_lock_free &&
              sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

/// Sleeps while `word` holds `seen`, at most `timeout`; may return early for no reason.
/// The shared kind on purpose: std::atomic::wait may use private futexes, whose wakes never arrive
/// from another process. Source: futex(2).
inline void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen,
                       std::chrono::nanoseconds timeout) noexcept {
    timespec limit{};
    limit.tv_sec = static_cast<decltype(limit.tv_sec)>(timeout.count() / 1'000'000'000);
    limit.tv_nsec = static_cast<decltype(limit.tv_nsec)>(timeout.count() % 1'000'000'000);
    ::syscall(SYS_futex, &word, FUTEX_WAIT, seen, &limit, nullptr, 0);
}

/// Wakes whoever sleeps on `word`.
inline void futex_wake(std::atomic<std::uint32_t>& word) noexcept {
    ::syscall(SYS_futex, &word, FUTEX_WAKE, 1 << 30, nullptr, nullptr, 0);
}

/// A word and what it held.
struct SeenWord {
    const std::atomic<std::uint32_t>* word = nullptr;
    std::uint32_t seen = 0;
};

/// As many words as can be slept on at once.
inline constexpr std::size_t max_seen_words = 128;

/// Sleeps while all of up to max_seen_words hold what was seen, at most `timeout`; may return early
/// for no reason. False where the kernel cannot (before Linux 5.16): nothing has happened then.
/// Source: futex_waitv(2).
inline bool futex_wait_any(std::span<const SeenWord> words,
                           std::chrono::nanoseconds timeout) noexcept {
    constexpr long futex_waitv = 449;
    constexpr std::uint32_t futex_32_bits = 2;
    struct Waiter {
        std::uint64_t seen;
        std::uint64_t address;
        std::uint32_t flags;
        std::uint32_t reserved;
    };
    std::array<Waiter, max_seen_words> waiters;
    const std::size_t count = std::min(words.size(), waiters.size());
    for (std::size_t i = 0; i < count; ++i) {
        waiters[i] = {words[i].seen, reinterpret_cast<std::uintptr_t>(words[i].word), futex_32_bits,
                      0};
    }
    // 64 bits each, whatever the process's width.
    struct {
        std::int64_t seconds, nanoseconds;
    } until{};
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const std::int64_t end = now.tv_nsec + timeout.count();
    until.seconds = now.tv_sec + end / 1'000'000'000;
    until.nanoseconds = end % 1'000'000'000;
    return ::syscall(futex_waitv, waiters.data(), static_cast<unsigned>(count), 0, &until,
                     CLOCK_MONOTONIC) >= 0 ||
           errno != ENOSYS;
}

}  // namespace onecopy::os
