// RouDi, the process without which programs that use iceoryx do not start.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "cli/bench_jobs.hpp"
#include "os/fd.hpp"

namespace onecopy::cli {

/// Runs while this lives, if none ran before. It removes its shared memory when it ends, also when
/// it ends because we were killed.
class RouDi {
public:
    /// Starts it with memory for messages of up to `largest` bytes, of which a rank of `ranks` may
    /// have `area_bytes` under way, and waits until it is ready. Throws JobLost.
    RouDi(const JobYard& yard, int ranks, std::uint64_t area_bytes, std::uint64_t largest);
    RouDi(const RouDi&) = delete;
    RouDi& operator=(const RouDi&) = delete;
    ~RouDi();

    /// Whether there was one: its memory is configured by somebody else.
    [[nodiscard]] bool found() const noexcept { return pid_ < 0; }

private:
    [[nodiscard]] bool said(std::string_view words) const;
    void end() noexcept;

    os::Fd output_;
    pid_t pid_ = -1;
};

}  // namespace onecopy::cli
