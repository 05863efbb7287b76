// The signals that a launcher of ranks passes on to them instead of obeying.
#pragma once

#include <signal.h>

#include <string>

namespace onecopy::cli {

/// Blocks, from its making on, what is to be passed on: SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1,
/// SIGUSR2, SIGWINCH, SIGCONT and the stop signals of terminals, without those that were ignored
/// before: nohup ignores SIGHUP, and means the ranks as well. Also blocks SIGCHLD, which a signalfd
/// is to tell, and SIGPIPE: a broken pipe is an error to be handled.
///
/// Never unblocked here: the launcher ends soon after it has no more use for this. For processes of
/// one thread; forked children have it too.
class HeldSignals {
public:
    HeldSignals() noexcept;

    [[nodiscard]] const sigset_t& passed_on() const noexcept { return passed_on_; }

    /// In a forked child that becomes a program: all is as whoever started the launcher left it.
    void release_for_program() const noexcept;

private:
    sigset_t passed_on_;
    sigset_t mask_before_;
};

/// Whether its default is to stop the process: those of them that can be held.
bool is_stop(int signal) noexcept;

/// Whether it asks a job to end, so that asking again means at once.
bool asks_to_end(int signal) noexcept;

/// Whether it ends a process that does not mind it, as those do that come from outside.
bool ends_by_default(int signal) noexcept;

/// What a shell adds to the number of a signal that ended a process.
inline constexpr int status_of_signals = 128;

/// "was killed by SIGSEGV", "ended with status 1". `status`: as waitpid tells it.
std::string what_became(int status);

/// Stops this process as the held stop signal would have; returns when it goes on, at once where
/// the kernel does not let it stop (nobody could continue it: an orphaned process group). The
/// SIGCONT that took it on is not left pending.
void stop_by(int signal) noexcept;

/// Ends this process by the signal, with no core file of its own: then a shell knows that its
/// script was interrupted, too. Returns what a shell would show, where that does not end it.
int end_by(int signal) noexcept;

}  // namespace onecopy::cli
