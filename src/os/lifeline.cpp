#include "os/lifeline.hpp"

#include <linux/futex.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace onecopy::os {

bool Lifeline::make_at(Lifeline* place) noexcept {
    pthread_mutexattr_t attributes;
    if (::pthread_mutexattr_init(&attributes) != 0) return false;
    const bool good = ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0 &&
                      ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0 &&
                      ::pthread_mutex_init(&place->mutex_, &attributes) == 0;
    ::pthread_mutexattr_destroy(&attributes);
    return good;
}

bool Lifeline::hold() noexcept {
    const int error = ::pthread_mutex_trylock(&mutex_);
    if (error == EOWNERDEAD) ::pthread_mutex_consistent(&mutex_);
    return error == 0 || error == EOWNERDEAD;
}

void Lifeline::let_go() noexcept { ::pthread_mutex_unlock(&mutex_); }

bool Lifeline::held() const noexcept {
    // The word that the C library and the kernel share: the holder's thread number, and two bits.
    const auto word =
        static_cast<unsigned>(__atomic_load_n(&mutex_.__data.__lock, __ATOMIC_ACQUIRE));
    return (word & FUTEX_TID_MASK) != 0 && (word & FUTEX_OWNER_DIED) == 0;
}

Lifeline::Word Lifeline::word_to_sleep_on() noexcept {
    // As the C library does before it sleeps there: the kernel and whoever unlocks look at that bit.
    auto& word = reinterpret_cast<std::atomic<std::uint32_t>&>(mutex_.__data.__lock);
    std::uint32_t seen = word.load(std::memory_order_acquire);
    do {
        if ((seen & FUTEX_TID_MASK) == 0 || (seen & FUTEX_OWNER_DIED) != 0) return {};
        if ((seen & FUTEX_WAITERS) != 0) return {&word, seen};
    } while (!word.compare_exchange_weak(seen, seen | FUTEX_WAITERS, std::memory_order_acq_rel));
    return {&word, seen | FUTEX_WAITERS};
}

bool Lifeline::wait_until_lost(std::chrono::nanoseconds at_most) noexcept {
#if defined(__SANITIZE_THREAD__)
    // It knows robust mutexes in pthread_mutex_trylock only.
    const auto end = std::chrono::steady_clock::now() + at_most;
    do {
        const int seen = ::pthread_mutex_trylock(&mutex_);
        if (seen == 0 || seen == EOWNERDEAD) ::pthread_mutex_unlock(&mutex_);
        if (seen != EBUSY) return true;
        ::usleep(100);
    } while (std::chrono::steady_clock::now() < end);
    return false;
#else
    timespec until{};
    ::clock_gettime(CLOCK_MONOTONIC, &until);
    const auto nanoseconds = until.tv_nsec + at_most.count();
    constexpr long a_second = 1'000'000'000;
    until.tv_sec += static_cast<time_t>(nanoseconds / a_second);
    until.tv_nsec = static_cast<long>(nanoseconds % a_second);
    const int error = ::pthread_mutex_clocklock(&mutex_, CLOCK_MONOTONIC, &until);
    if (error == 0 || error == EOWNERDEAD) ::pthread_mutex_unlock(&mutex_);
    return error != ETIMEDOUT;
#endif
}

}  // namespace onecopy::os
