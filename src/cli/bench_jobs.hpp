// Jobs of ranks that a bench leads through a control block (bench_control.hpp), and what they may
// leave behind.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/bench_control.hpp"
#include "os/fd.hpp"

namespace onecopy::cli {

/// A folder in /dev/shm for what jobs need to have a name. It is removed at the end, together with
/// all in /dev/shm and /tmp whose name begins with its own, also when this process was killed: a
/// child of ours waits for our end and does it.
class JobYard {
public:
    /// Throws Failure, its line opened by `asked`.
    explicit JobYard(std::string_view asked);
    JobYard(const JobYard&) = delete;
    JobYard& operator=(const JobYard&) = delete;
    ~JobYard();

    [[nodiscard]] const std::string& folder() const noexcept { return folder_; }

private:
    std::string folder_;
    os::Fd lifeline_;
    pid_t janitor_ = -1;
};

/// How a job is started.
struct JobPlan {
    std::string way;
    /// A program, found by execvp, and its arguments. "{control}" among them stands for what a
    /// ControlledRank needs, "{folder}" for a folder of the job alone.
    std::vector<std::string> command;
    /// Started once by a launcher of its own; otherwise as many times as there are ranks, with the
    /// rank as a last argument.
    bool has_launcher = false;
    /// In front of ours; "{folder}" as above. An empty value: not set.
    std::vector<std::pair<std::string, std::string>> environment;
};

/// What all jobs that are to be compared have in common.
struct JobSize {
    int ranks = 2;
    std::span<const int> cpus;     // rank i is bound to the i-th, and round again
    std::uint64_t area_bytes = 0;  // all messages that one rank has under way at once
    std::uint64_t largest = 0;     // of one message
};

/// The job cannot be measured (any more). Its text is why, for a note of the report.
class JobLost : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A process that ends with us (it gets `with_us`), silent but for the descriptor `output`.
/// Throws JobLost.
pid_t start_process(const std::vector<std::string>& command,
                    std::span<const std::pair<std::string, std::string>> environment, int output,
                    int with_us);

/// The processes of a job. All of them end with this at the latest, and with this process.
/// For one thread, the one that lives as long as the process.
class Job {
public:
    /// Starts it. Throws JobLost.
    Job(const JobYard& yard, const JobPlan& plan, const JobSize& size);
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    ~Job();

    [[nodiscard]] const std::string& way() const noexcept { return way_; }

    /// Waits until all ranks are there. Throws JobLost if they are not within `guard_ms`.
    void wait_for_ranks(int guard_ms);

    /// Has the ranks carry out `command`; then reports() is theirs. Throws JobLost.
    void run(const JobCommand& command, int guard_ms);

    [[nodiscard]] std::span<const JobRank> reports() const noexcept {
        return std::span(control_->reports).first(control_->ranks);
    }

    /// What the ranks said of the library that they use.
    [[nodiscard]] std::string_view library() const noexcept { return control_->library.get(); }

    /// Asks the ranks to end, and waits for it. Whatever has not within `guard_ms` is killed:
    /// false.
    bool end(int guard_ms) noexcept;

private:
    void wait_for_answers(int guard_ms, const std::string& doing);
    /// Throws JobLost if a rank gave up, or a process of ours has ended.
    void check();
    [[nodiscard]] bool all_ended() noexcept;
    void kill() noexcept;
    /// The first line of what the job has printed that speaks of an error, or the first of all; ""
    /// if there is none.
    [[nodiscard]] std::string telling_words() const;

    std::string way_;
    std::string folder_;
    os::Fd memory_;
    ControlMapping control_;
    os::Fd output_;
    os::Fd lifeline_read_;
    os::Fd lifeline_;
    std::vector<pid_t> pids_;  // -1: reaped
};

}  // namespace onecopy::cli
