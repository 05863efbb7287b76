// What a processor does in a loop that waits for another one.
#pragma once

namespace onecopy::os {

/// One turn of such a loop: leaves the core's other hardware thread, and power, to others.
inline void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb");
#endif
}

}  // namespace onecopy::os
