// A clock that is read without a system call and moves every few milliseconds.
#pragma once

#include <cstdint>
#include <ctime>

namespace onecopy::os {

/// Milliseconds since some moment; never goes back. Safe in signal handlers.
/// Source: clock_gettime(2), CLOCK_MONOTONIC_COARSE.
inline std::uint64_t coarse_ms() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace onecopy::os
