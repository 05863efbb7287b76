#include "cli/launch_ranks.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <variant>

#include "cli/descendants.hpp"
#include "cli/errors.hpp"
#include "cli/keeper_wire.hpp"
#include "cli/launch_signals.hpp"
#include "cli/rank_keeper.hpp"
#include "cli/terminal.hpp"
#include "os/fd.hpp"

namespace onecopy::cli {
namespace {

[[noreturn]] void refuse(const char* what) {
    const char* const advice = errno == EAGAIN
                                   ? "raise `ulimit -u` or the container's limit of processes"
                               : errno == EMFILE || errno == ENFILE ? "raise `ulimit -n`"
                                                                    : "free some memory";
    throw Failure(fmt::format("run: {}: {}; {}", what, std::strerror(errno), advice));
}

/// Our process group, where standard input is the terminal of our session; else 0.
pid_t group_at_terminal() noexcept {
    return ::isatty(STDIN_FILENO) == 1 && ::tcgetpgrp(STDIN_FILENO) > 0 ? ::getpgrp() : 0;
}

class Front {
public:
    Front(pid_t keeper, KeeperWire to_keeper, os::Fd signals)
        : keeper_(keeper), to_keeper_(std::move(to_keeper)), signals_(std::move(signals)) {}

    /// The keeper's status, as waitpid tells it.
    int wait_for_keeper() {
        int status = 0;
        while (::waitpid(keeper_, &status, WNOHANG) != keeper_) {
            std::array<pollfd, 2> waiting{pollfd{signals_.get(), POLLIN, 0},
                                          pollfd{to_keeper_.get(), POLLIN, 0}};
            ::poll(waiting.data(), waiting.size(), -1);
            hear_keeper();
            signalfd_siginfo info{};
            while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
                if (info.ssi_signo != SIGCHLD) pass_on(info);
            }
        }
        hear_keeper();
        return status;
    }

    /// What the keeper had to say, if it came to that.
    [[nodiscard]] const std::optional<Outcome>& outcome() const noexcept { return outcome_; }

private:
    void hear_keeper() {
        for (;;) {
            const KeeperWire::Message message = to_keeper_.receive();
            if (const auto* const line = std::get_if<Line>(&message)) {
                tell(line->text);
            } else if (const auto* const outcome = std::get_if<Outcome>(&message)) {
                outcome_ = *outcome;
            } else {
                if (std::holds_alternative<KeeperWire::End>(message)) to_keeper_.close();
                return;
            }
        }
    }

    void pass_on(const signalfd_siginfo& info) const {
        const int signal = static_cast<int>(info.ssi_signo);
        // Source: sigaction(2): SI_KERNEL is the terminal's here, and never a process's kill().
        to_keeper_.send(PassedOn{signal, info.ssi_code == SI_KERNEL});
        if (!is_stop(signal)) return;
        stop_by(signal);
        to_keeper_.send(PassedOn{SIGCONT, false});  // also where we were not allowed to stop
    }

    pid_t keeper_;
    KeeperWire to_keeper_;
    os::Fd signals_;
    std::optional<Outcome> outcome_;
};

}  // namespace

int launch_ranks(const Launch& launch) {
    const HeldSignals signals;
    const pid_t foreground = group_at_terminal();
    auto [ours, theirs] = KeeperWire::make();
    sigset_t heard = signals.passed_on();
    ::sigaddset(&heard, SIGCHLD);
    os::Fd heard_by(::signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!heard_by) refuse("hear of signals");
    // What started us may have had children before it became us: they are not the job's.
    const std::vector<pid_t> strangers = children();
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const pid_t keeper = ::fork();
    if (keeper < 0) refuse("start the job");
    if (keeper == 0) {
        ours.close();
        heard_by = os::Fd();
        ::setpgid(0, 0);
        keep_ranks(launch, theirs, signals, foreground);
        ::_exit(0);
    }
    ::setpgid(keeper, keeper);
    theirs.close();
    // Who writes into our standard input must learn when rank 0 no longer reads it.
    const os::Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (nothing) ::dup3(nothing.get(), STDIN_FILENO, O_CLOEXEC);

    Front front(keeper, std::move(ours), std::move(heard_by));
    const int status = front.wait_for_keeper();
    const std::optional<Outcome>& outcome = front.outcome();
    if (!outcome) {
        end_descendants(strangers);
        tell(fmt::format("onecopy: run: the process {} that kept the ranks {}; they were ended\n",
                         keeper, what_became(status)));
        return WIFSIGNALED(status) ? status_of_signals + WTERMSIG(status) : 1;
    }
    return outcome->signal != 0 ? end_by(outcome->signal) : outcome->status;
}

}  // namespace onecopy::cli
