// Noticing Ctrl-C and its relatives instead of dying of them half-way.
#pragma once

#include <signal.h>

#include <array>

namespace onecopy::cli {

/// While one exists, the first SIGINT, SIGTERM or SIGHUP only sets a flag; the second ends the
/// process as usual (a read may be stuck).
/// At most one at a time, in a process of one thread; the destructor puts everything back.
class InterruptGuard {
public:
    InterruptGuard();
    ~InterruptGuard();
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

    [[nodiscard]] static bool interrupted() noexcept;

private:
    static constexpr std::array<int, 3> signals_{SIGINT, SIGTERM, SIGHUP};
    std::array<struct sigaction, 3> before_{};
};

}  // namespace onecopy::cli
