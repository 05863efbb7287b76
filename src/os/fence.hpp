// Ordering what a thread reads and writes by more than one word.
#pragma once

#include <atomic>

namespace onecopy::os {

/// What this thread has read stays read before what it reads after this (acquire). ThreadSanitizer
/// knows no fences: under it the compiler alone is held back, which is enough on x86.
inline void read_fence() noexcept {
#if defined(__SANITIZE_THREAD__)
    asm volatile("" ::: "memory");
#else
    std::atomic_thread_fence(std::memory_order_acquire);
#endif
}

/// What this thread has written is seen before it reads what comes after this (seq_cst).
inline void full_fence() noexcept {
#if defined(__SANITIZE_THREAD__)
    asm volatile("lock; addl $0, (%%rsp)" ::: "memory", "cc");
#else
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace onecopy::os
