// The processes of one job of `onecopy bench ranks`, and the board on which its ranks write.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/bench_ranks_board.hpp"
#include "os/fd.hpp"

namespace onecopy::cli {

/// Counts a time that passes only while this process runs: who is stopped together with those whom
/// it waits for has not waited.
class PatientGuard {
public:
    explicit PatientGuard(int guard_ms) noexcept : naps_left_(guard_ms) {}

    /// Sleeps for a millisecond. False if the time is over.
    bool nap() noexcept;

private:
    int naps_left_;
};

/// For one thread. All of the processes end with this at the latest, and with this process.
class RanksJob {
public:
    using Environment = std::vector<std::pair<std::string, std::string>>;

    /// `asked` opens the lines of what it throws. Throws Failure.
    explicit RanksJob(std::string_view asked);
    RanksJob(const RanksJob&) = delete;
    RanksJob& operator=(const RanksJob&) = delete;
    ~RanksJob();

    /// Starts a process. "{board}" among the words stands for what it needs to open the board.
    /// Throws Failure.
    void start(std::vector<std::string> command, const Environment& environment = {});

    [[nodiscard]] Board& board() const noexcept { return *board_; }
    [[nodiscard]] std::span<const pid_t> pids() const noexcept { return pids_; }

    /// Waits until all processes have ended; false if they have not under the guard: they are
    /// killed then.
    bool wait(PatientGuard guard);

    /// Throws Failure if a process ended with anything but success, or a rank found something
    /// wrong; `doing` is what it was at. `excused`: a process that may have been killed.
    void check(int ranks, std::string_view doing, pid_t excused = -1) const;

    /// Whether one that has not been waited for has ended by now.
    bool somebody_has_ended();

private:
    [[nodiscard]] std::string said() const;

    std::string asked_;
    os::Fd memory_;
    BoardMapping board_;
    os::Fd output_;
    std::vector<pid_t> pids_;
    std::vector<int> statuses_;  // by process; -1 while it lives
};

}  // namespace onecopy::cli
