// Ordering plain loads before an atomic one.
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

}  // namespace onecopy::os
