#include "cli/rank_keeper.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <variant>

#include "cli/descendants.hpp"
#include "cli/output.hpp"
#include "cli/rank_contract.hpp"
#include "cli/rank_output.hpp"
#include "cli/rank_start.hpp"

namespace onecopy::cli {
namespace {

using Clock = std::chrono::steady_clock;

/// What the ranks are given between SIGTERM and SIGKILL when one of them has failed.
constexpr std::chrono::seconds grace{2};
/// After so long it is said how a job is ended that does not end when asked.
constexpr std::chrono::seconds patience{5};
/// Two that ask to end so close are one: `timeout` sends one to us and one to our group.
constexpr std::chrono::seconds same_signal{1};

constexpr int status_not_found = 127;
constexpr int status_not_run = 126;

constexpr std::string_view more_processes =
    "raise `ulimit -u` or the container's limit of processes";

class Keeper {
public:
    Keeper(const Launch& launch, const KeeperWire& front, const HeldSignals& signals,
           pid_t foreground)
        : launch_(launch), front_(front), signals_(signals), foreground_(foreground) {}

    Outcome run() {
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        ::prctl(PR_SET_NAME, "onecopy-keeper");
        sigset_t ends;
        ::sigemptyset(&ends);
        ::sigaddset(&ends, SIGCHLD);
        ended_ = os::Fd(::signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK));
        if (!ended_) throw std::system_error(errno, std::system_category(), "hear of ends");
        start();
        while (!all_gone_) {
            attend(wait_ms());
            if (due_ && Clock::now() >= *due_) when_due();
        }
        if (!line_.empty()) say(line_);
        return outcome_;
    }

private:
    enum class Phase {
        running,
        ending,   // SIGTERM was sent; SIGKILL follows when it is due
        killing,  // SIGKILL was sent, and is to whatever else comes to light
    };

    struct End {
        pid_t pid;
        int rank;
        int status;  // as waitpid tells it
    };

    void say(std::string_view line) const {
        front_.send(Line{fmt::format("onecopy: run: {}\n", line)});
    }
    void start();
    void attend(int timeout_ms);
    void hear_the_front();
    void hear_of_troubles();
    void reap();
    void output_fails(int error);
    void await_terminal_signal(const End& end);
    void rank_failed(const End& end);
    void pass_on(const PassedOn& message);
    void signal_rank(pid_t pid, int rank, int signal) const;
    void fail(Outcome outcome, std::string line);
    void end_leftovers();
    void end_at_once(int signal);
    void kill_all();
    void when_due();
    [[nodiscard]] int wait_ms() const;

    const Launch& launch_;
    const KeeperWire& front_;
    const HeldSignals& signals_;
    pid_t foreground_;  // rank 0's process group where it has a terminal, else 0

    os::Fd ended_;                          // readable when a child has ended
    os::Fd troubles_;                       // Trouble comes from here
    std::unordered_map<pid_t, int> ranks_;  // those that have not been waited for
    pid_t output_ = 0;                      // passes output on, while it is there
    bool front_gone_ = false;
    bool started_ = false;   // no more ranks are to come
    bool all_gone_ = false;  // no children are left

    Phase phase_ = Phase::running;
    std::optional<Clock::time_point> due_;  // the next step of the phase
    bool failed_ = false;
    Outcome outcome_{0, 0};
    std::string line_;                           // what is to be said of the first failure
    std::set<int> passed_on_;                    // signals that the front was sent
    std::optional<Clock::time_point> asked_at_;  // when the last came that asks to end
    std::set<pid_t> told_;                       // leftovers that were sent the phase's signal
};

void Keeper::start() {
    leave_outer_job();
    const os::Fd job = make_job(launch_.ranks);
    const os::Fd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
    std::array<int, 2> ends{};
    if (!nothing || ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
        throw std::system_error(errno, std::system_category(), "prepare the ranks");
    }
    troubles_ = os::Fd(ends[0]);
    const os::Fd report(ends[1]);

    RankSetup setup;
    for (const std::string& word : launch_.command) {
        setup.arguments.push_back(const_cast<char*>(word.c_str()));
    }
    setup.arguments.push_back(nullptr);
    setup.cores = launch_.cores;
    ::getrlimit(RLIMIT_NOFILE, &setup.descriptors);
    setup.signals = &signals_;
    setup.job = job.get();
    setup.nothing = nothing.get();
    setup.troubles = report.get();
    setup.keeper = ::getpid();
    setup.foreground = foreground_;

    rlimit raised = setup.descriptors;
    raised.rlim_cur = raised.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &raised);
    ::getrlimit(RLIMIT_NOFILE, &raised);
    RankOutput output(launch_.ranks, launch_.label, raised);
    RankEnvironment environment(launch_.ranks, setup.job);
    for (int rank = 0; rank < launch_.ranks && phase_ == Phase::running; ++rank) {
        const RankOutput::Ends its = output.open_next();
        const pid_t pid = start_rank(rank, setup, environment, its);
        if (pid < 0) {
            fail({1, 0}, fmt::format("start rank {} of {}: {}; {}, or ask for fewer ranks", rank,
                                     launch_.ranks, std::strerror(errno), more_processes));
            break;
        }
        ranks_.emplace(pid, rank);
        // Rank 0 has it; who writes into it must learn when rank 0 no longer reads it.
        if (rank == 0) ::dup3(nothing.get(), STDIN_FILENO, O_CLOEXEC);
        attend(0);
    }
    if (output.first_direct() >= 0) {
        say(
            fmt::format("pass on the output of rank {}{} line by line: {}; raise "
                        "`ulimit -Hn`, until then it comes as it is written",
                        output.first_direct(),
                        output.first_direct() + 1 < launch_.ranks ? " and those above" : "",
                        std::strerror(output.direct_error())));
    }
    output_ = output.start(report.get());
    if (output_ < 0) {
        output_ = 0;
        fail({1, 0}, fmt::format("pass on the ranks' output: {}; {}", std::strerror(errno),
                                 more_processes));
    }
    started_ = true;
    reap();
}

/// Waits for something to happen, and sees to it.
void Keeper::attend(int timeout_ms) {
    std::array<pollfd, 3> waiting{pollfd{ended_.get(), POLLIN, 0},
                                  pollfd{front_gone_ ? -1 : front_.get(), POLLIN, 0},
                                  pollfd{troubles_.get(), POLLIN, 0}};
    if (::poll(waiting.data(), waiting.size(), timeout_ms) <= 0) return;
    if (waiting[1].revents != 0) hear_the_front();
    if (waiting[2].revents != 0) hear_of_troubles();
    if (waiting[0].revents != 0) {
        signalfd_siginfo info{};
        while (::read(ended_.get(), &info, sizeof info) == sizeof info) {
        }
        reap();
    }
}

void Keeper::hear_the_front() {
    const KeeperWire::Message message = front_.receive();
    if (const auto* const signal = std::get_if<PassedOn>(&message)) {
        pass_on(*signal);
    } else if (std::holds_alternative<KeeperWire::End>(message)) {
        // It was killed: nobody waits for the job, or for the rest of its output.
        front_gone_ = true;
        if (output_ > 0) ::kill(output_, SIGKILL);
        kill_all();
    }
}

void Keeper::hear_of_troubles() {
    for (Trouble trouble{};;) {
        const ssize_t got = ::read(troubles_.get(), &trouble, sizeof trouble);
        if (got == 0) troubles_ = os::Fd();  // nobody is left who could have some
        if (got != sizeof trouble) return;
        const char* const why = std::strerror(trouble.error);
        switch (trouble.step) {
            case Trouble::Step::bind:
                fail({1, 0}, fmt::format("bind rank {}: {}; use --bind none", trouble.rank, why));
                break;
            case Trouble::Step::exec:
                fail({trouble.error == ENOENT ? status_not_found : status_not_run, 0},
                     fmt::format("start {}: {}; give a program that can be run",
                                 launch_.command.front(), why));
                break;
            case Trouble::Step::output:
                output_fails(trouble.error);
                break;
        }
    }
}

void Keeper::output_fails(int error) {
    struct sigaction found {};
    ::sigaction(SIGPIPE, nullptr, &found);
    if (error == EPIPE && found.sa_handler != SIG_IGN) {  // as of a program that writes by itself
        fail({status_of_signals + SIGPIPE, SIGPIPE}, "");
    } else {
        fail({1, 0}, write_refusal("standard output", 0, error));
    }
    // Only now: the ranks' own SIGPIPE is a consequence.
    if (output_ > 0) ::kill(output_, SIGKILL);
}

void Keeper::reap() {
    std::optional<End> failed;
    for (;;) {
        int status = 0;
        const pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid < 0 && errno == EINTR) continue;
        all_gone_ = pid < 0;
        if (pid <= 0) break;
        told_.erase(pid);
        if (pid == output_) {
            output_ = 0;
            if (status != 0) {
                fail({1, 0}, fmt::format("pass on the ranks' output: the process {} that did it {}",
                                         pid, what_became(status)));
            }
        } else if (const auto found = ranks_.find(pid); found != ranks_.end()) {
            // Of those that ended by now nobody can tell which was first. One that a signal killed
            // is more likely the cause of the others' failures than the other way round.
            const bool worse = !failed || (WIFSIGNALED(status) && !WIFSIGNALED(failed->status));
            if (status != 0 && worse) failed = End{pid, found->second, status};
            ranks_.erase(found);
        }
    }
    if (failed) {
        hear_of_troubles();  // what a rank had to say was said before it ended, and is the cause
        await_terminal_signal(*failed);
        rank_failed(*failed);
    }
    if (phase_ != Phase::running || (started_ && ranks_.empty())) end_leftovers();
}

/// A key like Ctrl-C is sent to rank 0 and to the front at once, and rank 0 may be the quicker one.
void Keeper::await_terminal_signal(const End& end) {
    if (end.rank != 0 || foreground_ == 0 || front_gone_ || !WIFSIGNALED(end.status)) return;
    const int signal = WTERMSIG(end.status);
    const auto until = Clock::now() + std::chrono::seconds(2);
    while (ends_by_default(signal) && passed_on_.count(signal) == 0 && !front_gone_) {
        pollfd front{front_.get(), POLLIN, 0};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        if (left.count() <= 0 || ::poll(&front, 1, static_cast<int>(left.count())) <= 0) return;
        hear_the_front();
    }
}

void Keeper::rank_failed(const End& end) {
    const int signal = WIFSIGNALED(end.status) ? WTERMSIG(end.status) : 0;
    const int status = signal != 0 ? status_of_signals + signal : WEXITSTATUS(end.status);
    if (passed_on_.count(signal) != 0) {  // whoever sent it knows
        fail({status, signal}, "");
        return;
    }
    fail({status, 0},
         fmt::format("rank {} (pid {}) {}{}", end.rank, end.pid, what_became(end.status),
                     ranks_.empty() ? "" : "; the other ranks were ended"));
}

/// The first failure decides what is said and returned; the rest of the job is ended.
void Keeper::fail(Outcome outcome, std::string line) {
    if (!failed_) {
        failed_ = true;
        outcome_ = outcome;
        line_ = std::move(line);
    }
    if (phase_ != Phase::running) return;
    phase_ = Phase::ending;
    due_ = Clock::now() + grace;
    for (const auto& [pid, rank] : ranks_) {
        signal_rank(pid, rank, SIGTERM);
        signal_rank(pid, rank, SIGCONT);  // a stopped one obeys, too
    }
    end_leftovers();
}

/// To all of the rank's process group. Its number is the rank's as long as it is in ranks_.
void Keeper::signal_rank(pid_t pid, int rank, int signal) const {
    const bool has_own_group = rank != 0 || foreground_ == 0;
    ::kill(has_own_group ? -pid : pid, signal);
}

/// What ranks that have ended left behind is a child of ours now.
void Keeper::end_leftovers() {
    for (const pid_t pid : children()) {
        if (pid == output_ || ranks_.count(pid) != 0 || !told_.insert(pid).second) continue;
        if (phase_ == Phase::running) {
            phase_ = Phase::ending;
            due_ = Clock::now() + grace;
        }
        ::kill(pid, phase_ == Phase::killing ? SIGKILL : SIGTERM);
        ::kill(pid, SIGCONT);
    }
}

void Keeper::kill_all() {
    phase_ = Phase::killing;
    due_.reset();
    for (const auto& [pid, rank] : ranks_) signal_rank(pid, rank, SIGKILL);
    told_.clear();
    end_leftovers();
}

void Keeper::pass_on(const PassedOn& message) {
    const int signal = message.signal;
    passed_on_.insert(signal);
    if (ends_by_default(signal) && started_ && ranks_.empty()) {  // only output is waited for
        end_at_once(signal);
        return;
    }
    if (asks_to_end(signal)) {
        const bool again = asked_at_.has_value();
        const auto now = Clock::now();
        if (again && !message.from_terminal && now - *asked_at_ < same_signal) return;
        asked_at_ = now;
        if (again) {
            end_at_once(signal);
            return;
        }
        if (phase_ == Phase::running) due_ = now + patience;
    }
    for (const auto& [pid, rank] : ranks_) {
        if (message.from_terminal && rank == 0 && foreground_ != 0) continue;
        // Of the stop signals of terminals only this one is for who does not read or write there.
        signal_rank(pid, rank, is_stop(signal) ? SIGTSTP : signal);
    }
}

void Keeper::end_at_once(int signal) {
    if (!failed_) outcome_ = {status_of_signals + signal, signal};
    failed_ = true;
    if (output_ > 0 && ranks_.empty()) ::kill(output_, SIGKILL);
    kill_all();
}

void Keeper::when_due() {
    due_.reset();
    if (phase_ == Phase::ending) kill_all();
    if (phase_ == Phase::running && !ranks_.empty()) {
        say(
            fmt::format("{} still run{} {} s after being asked to end; ask again "
                        "(Ctrl-C, SIGTERM) to end them at once",
                        ranks_.size() == 1 ? "1 rank" : fmt::format("{} ranks", ranks_.size()),
                        ranks_.size() == 1 ? "s" : "", patience.count()));
    }
}

int Keeper::wait_ms() const {
    if (!due_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due_ - Clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

}  // namespace

void keep_ranks(const Launch& launch, const KeeperWire& front, const HeldSignals& signals,
                pid_t foreground) noexcept {
    Outcome outcome{1, 0};
    try {
        outcome = Keeper(launch, front, signals, foreground).run();
    } catch (const std::exception& error) {
        try {
            end_descendants();
            front.send(Line{fmt::format("onecopy: run: {}; the ranks were ended\n", error.what())});
        } catch (const std::exception&) {
            return;  // the front ends them
        }
    }
    front.send(outcome);
}

}  // namespace onecopy::cli
