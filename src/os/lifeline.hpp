// A word in shared memory that tells when a program has ended, without asking.
#pragma once

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace onecopy::os {

/// Held by one thread of one process, and looked at by others, who have the same memory mapped.
///
/// Whenever the holder's thread ends, by whatever means (exit, exec, a signal), the kernel takes
/// the word from it before the program's memory is let go. So as long as held() says yes, the
/// process runs the program that it ran when it took hold. A no says less: the thread may have
/// ended alone. It is a robust process-shared mutex, the only such word that the kernel keeps for
/// us; nothing here is a descriptor, and a child does not inherit it.
///
/// It must stay mapped in the holder's process until let_go(), at its place: the thread's list of
/// robust mutexes runs through it.
/// Source: pthread_mutexattr_setrobust(3); Linux, Documentation/locking/robust-futexes.rst.
class Lifeline {
public:
    /// Makes one at `place`, in shared memory (for as many bytes as sizeof says), held by nobody.
    /// False where it cannot be had.
    static bool make_at(Lifeline* place) noexcept;

    /// The calling thread takes it; true if it holds it now and did not before. It can be taken
    /// over from a thread that has ended.
    bool hold() noexcept;

    /// Only by the thread that holds it.
    void let_go() noexcept;

    /// Whether a living thread holds it. One load (acquire): what its holder wrote before it took
    /// hold is seen, and memory read before this call, with an acquire fence between, was the
    /// holder's.
    [[nodiscard]] bool held() const noexcept;

    /// The word that changes when the holder lets go or ends, and what it is now, for who sleeps on
    /// several words at once: whoever sleeps there then is woken (one, who tells the rest). Nothing
    /// if nobody holds it.
    struct Word {
        const std::atomic<std::uint32_t>* word = nullptr;
        std::uint32_t seen = 0;
    };
    Word word_to_sleep_on() noexcept;

    /// Waits until nobody holds it, or for `at_most`: whether nobody does. Afterwards it can be
    /// held no more.
    bool wait_until_lost(std::chrono::nanoseconds at_most) noexcept;

private:
    pthread_mutex_t mutex_;
};

}  // namespace onecopy::os
