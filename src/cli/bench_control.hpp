// The piece of memory through which a bench leads the ranks of a job that something else started:
// mpirun, `onecopy run`, or the bench itself.
//
// The bench writes a command and wakes the ranks; they carry it out, leave their times, and sleep
// again until the next. So the jobs of all ways can be alive at once and take turns, and who has
// no turn costs no core. Nothing of it goes through the ways' own messages or barriers.
//
//   turn       number of the command     stored by the bench; the ranks sleep on it
//   answered   ranks done with it        cleared by the bench, counted up by the ranks; the bench
//                                        sleeps on it
//   the rest of a command                written by the bench before `turn`, and read behind it (A)
//   a rank's report                      written by it before it counts itself, read by the bench
//                                        when all have (B)
//
// Acquire and release are enough: each side waits for one variable of the other. The ranks of turn
// 0 answer when they are there.
//
// The memory is a memfd of the bench, which the ranks open as /proc/PID/fd/N: mpirun passes no
// descriptors on, and a file with a name would be left behind by a bench that is killed.
// With it comes the lifeline: a pipe whose writing end the bench alone holds. When that is closed,
// on purpose or because the bench died, the kernel kills every rank (SIGKILL as the signal of
// O_ASYNC: no thread has to watch, none disturbs the measurement). Source: fcntl(2), "F_SETSIG".
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cli/bench_timing.hpp"
#include "os/fd.hpp"

namespace onecopy::cli {

inline constexpr std::size_t max_job_ranks = 64;
inline constexpr std::size_t max_turn_operations = 256;

/// A string of the bench's, or of a rank's, in shared memory.
template <std::size_t size>
class ControlText {
public:
    void set(std::string_view text) noexcept {
        const std::size_t used = text.copy(text_.data(), size - 1);
        text_[used] = '\0';
    }
    [[nodiscard]] std::string_view get() const noexcept { return text_.data(); }

private:
    std::array<char, size> text_{};
};

/// What the ranks are to do in one turn.
struct JobCommand {
    ControlText<32> work;          // empty: end
    std::uint64_t bytes = 0;       // of one message
    std::uint32_t warm_ups = 0;    // operations before those that count
    std::uint32_t operations = 0;  // up to max_turn_operations
    std::uint32_t iterations = 0;  // of a loop inside one operation, for works that loop
    std::uint32_t corrupt = 0;     // spoil a byte before it is verified: for tests
    std::uint64_t seed = 0;        // of the messages' bytes: another one each turn
};

/// When a rank began and ended its part of an operation, by CLOCK_MONOTONIC; zeros: it had none.
struct JobStamp {
    std::int64_t begin = 0;
    std::int64_t end = 0;
};

struct alignas(64) JobRank {
    std::atomic<pid_t> pid{0};
    std::uint64_t wrong = 0;  // operations of this turn whose bytes were not right
    std::array<JobStamp, max_turn_operations> stamps{};
};

/// The whole of it. Zero bytes are a fresh one.
struct JobControl {
    alignas(64) std::atomic<std::uint32_t> turn{0};
    alignas(64) std::atomic<std::uint32_t> answered{0};
    alignas(64) std::atomic<std::uint32_t> failed{0};  // 1: a rank is writing `failure`; 2: it has
    ControlText<400> failure;

    // Written before the job is started.
    std::uint32_t ranks = 0;
    std::uint32_t crowded = 0;     // more ranks than cores
    std::uint64_t area_bytes = 0;  // all messages that one rank has under way at once
    std::uint64_t largest = 0;     // of one message
    std::int32_t lifeline = -1;    // the bench's descriptor of the reading end
    std::uint32_t cpu_count = 0;
    std::array<std::int32_t, max_job_ranks> cpus{};
    ControlText<256> folder;  // for sockets and the like; its last part is a name of this job alone

    ControlText<128> library;  // which one the ranks use, and its version: rank 0 says so

    JobCommand command;
    alignas(64) Barrier meet;  // of the ranks
    std::array<JobRank, max_job_ranks> reports{};
};

/// Sleeps until `word` is not `value` any more, or `timeout_ms` are over (it may also return
/// early). Shared: between processes.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t value, int timeout_ms) noexcept;

/// Wakes all who sleep on `word`.
void futex_wake(std::atomic<std::uint32_t>& word) noexcept;

/// A mapped JobControl. Not thread-safe beyond what the control itself is.
class ControlMapping {
public:
    /// Maps a descriptor of at least its size. Throws std::system_error.
    explicit ControlMapping(int fd);
    ControlMapping(ControlMapping&& other) noexcept;
    ControlMapping& operator=(ControlMapping&&) = delete;
    ~ControlMapping();

    [[nodiscard]] JobControl& operator*() const noexcept { return *control_; }
    [[nodiscard]] JobControl* operator->() const noexcept { return control_; }

private:
    JobControl* control_;
};

/// A rank's side. One thread uses it.
class ControlledRank {
public:
    /// `path`: what the bench passed, "/proc/PID/fd/N". From here on this process ends when the
    /// bench does. Throws std::system_error.
    explicit ControlledRank(const std::string& path);

    [[nodiscard]] JobControl& control() const noexcept { return *control_; }
    [[nodiscard]] bool crowded() const noexcept { return control_->crowded != 0; }

    /// Binds this thread to the core of `rank`, if there are cores.
    void bind(int rank) const noexcept;

    /// Says that this process is `rank` and there, and sleeps until the first command.
    void begin(int rank);

    /// Says that the command is carried out, and sleeps until the next.
    void answer();

    [[nodiscard]] const JobCommand& command() const noexcept { return control_->command; }
    [[nodiscard]] JobRank& report() const noexcept {
        return control_->reports[static_cast<std::size_t>(rank_)];
    }

    /// Waits for all ranks of the job; `idle` is called over and over meanwhile.
    template <class Idle>
    void meet(Idle&& idle) const {
        const std::uint32_t here = control_->meet.arrive(control_->ranks, Waiting::spin);
        for (unsigned turn = 1; !control_->meet.passed(here); ++turn) {
            idle();
            // With a core each, too: who waits long (the other side verifies) leaves it to others.
            relax(crowded() || turn % 65536 == 0);
        }
    }

    /// Leaves word why this rank gives up, before it ends.
    void fail(std::string_view why) noexcept;

private:
    ControlMapping control_;
    os::Fd lifeline_;
    int rank_ = 0;
    std::uint32_t turn_ = 0;
};

}  // namespace onecopy::cli
