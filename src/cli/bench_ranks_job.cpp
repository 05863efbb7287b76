#include "cli/bench_ranks_job.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "cli/bench_jobs.hpp"
#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

constexpr int alive = -1;

os::Fd make_file(std::string_view asked, const char* name, off_t bytes) {
    os::Fd file(::memfd_create(name, MFD_CLOEXEC));
    if (!file || ::ftruncate(file.get(), bytes) != 0) {
        throw Failure(fmt::format("{}: no memory for {}: {}; try again with less running", asked,
                                  name, std::strerror(errno)));
    }
    return file;
}

}  // namespace

bool PatientGuard::nap() noexcept {
    if (naps_left_ <= 0) return false;
    --naps_left_;
    const timespec millisecond{0, 1'000'000};
    ::clock_nanosleep(CLOCK_MONOTONIC, 0, &millisecond, nullptr);
    return true;
}

RanksJob::RanksJob(std::string_view asked)
    : asked_(asked),
      memory_(make_file(asked, "bench-board", sizeof(Board))),
      board_(memory_.get()),
      output_(make_file(asked, "bench-output", 0)) {
    ::fcntl(output_.get(), F_SETFL, O_APPEND);
}

RanksJob::~RanksJob() { wait(PatientGuard(0)); }

void RanksJob::start(std::vector<std::string> command, const Environment& environment) {
    constexpr std::string_view place = "{board}";
    for (std::string& word : command) {
        if (word == place) word = fmt::format("/proc/{}/fd/{}", ::getpid(), memory_.get());
    }
    try {
        pids_.push_back(start_process(command, environment, output_.get(), SIGKILL));
        statuses_.push_back(alive);
    } catch (const JobLost& lost) {
        throw Failure(fmt::format("{}: {}; build or install the tool anew", asked_, lost.what()));
    }
}

bool RanksJob::somebody_has_ended() {
    bool any = false;
    for (std::size_t i = 0; i < pids_.size(); ++i) {
        int status = 0;
        if (statuses_[i] != alive || ::waitpid(pids_[i], &status, WNOHANG) != pids_[i]) continue;
        statuses_[i] = status;
        any = true;
    }
    return any;
}

bool RanksJob::wait(PatientGuard guard) {
    const auto all_ended = [this] {
        somebody_has_ended();
        return std::count(statuses_.begin(), statuses_.end(), alive) == 0;
    };
    do {
        if (all_ended()) return true;
    } while (guard.nap());
    for (std::size_t i = 0; i < pids_.size(); ++i) {
        if (statuses_[i] == alive) ::kill(pids_[i], SIGKILL);
    }
    for (std::size_t i = 0; i < pids_.size(); ++i) {
        if (statuses_[i] != alive) continue;
        while (::waitpid(pids_[i], &statuses_[i], 0) < 0 && errno == EINTR) {
        }
    }
    return false;
}

void RanksJob::check(int ranks, std::string_view doing, pid_t excused) const {
    for (int rank = 0; rank < ranks; ++rank) {
        const BoardLine& line = board_->lines[static_cast<std::size_t>(rank)];
        if (!line.has(Seen::wrong)) continue;
        throw Failure(fmt::format("{}: {}: rank {}{}{}: {}; report it", asked_, doing, rank,
                                  line.inside[0] != 0 ? " in " : "", line.inside.data(),
                                  line.words.data()));
    }
    for (std::size_t i = 0; i < pids_.size(); ++i) {
        if (statuses_[i] == 0 || statuses_[i] == alive || pids_[i] == excused) continue;
        const std::string how = WIFSIGNALED(statuses_[i])
                                    ? fmt::format("signal {}", WTERMSIG(statuses_[i]))
                                    : fmt::format("status {}", WEXITSTATUS(statuses_[i]));
        const std::string words = said();
        throw Failure(
            fmt::format("{}: {}: a process ended with {}{}{}; try again with less running", asked_,
                        doing, how, words.empty() ? "" : ": ", words));
    }
}

/// The first line of what the processes printed.
std::string RanksJob::said() const {
    std::array<char, 400> text{};
    const ssize_t got = ::pread(output_.get(), text.data(), text.size(), 0);
    const std::string_view all(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    return std::string(all.substr(0, all.find('\n')));
}

}  // namespace onecopy::cli
