// The cheapest clock there is, for telling a call that was blocked from one that was not.
#pragma once

#include <cstdint>
#include <ctime>

namespace onecopy::os {

/// A counter that runs at 1 to 5 per nanosecond on x86, slower elsewhere; only for comparing with
/// generous bounds. May differ between cores. Source: the processor's manual (RDTSC, CNTVCT_EL0).
inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_ia32_rdtsc();
#else
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000U +
           static_cast<std::uint64_t>(now.tv_nsec);
#endif
}

}  // namespace onecopy::os
