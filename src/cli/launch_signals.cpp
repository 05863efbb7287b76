#include "cli/launch_signals.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cli/inherited.hpp"

namespace onecopy::cli {
namespace {

constexpr std::array held{SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGUSR1, SIGUSR2,
                          SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGWINCH};

bool is_ignored(int signal) noexcept {
    struct sigaction found {};
    return ::sigaction(signal, nullptr, &found) == 0 && found.sa_handler == SIG_IGN;
}

/// Lets the pending ones of it arrive.
void let_in(int signal) noexcept {
    sigset_t one;
    ::sigemptyset(&one);
    ::sigaddset(&one, signal);
    ::sigprocmask(SIG_UNBLOCK, &one, nullptr);
}

/// "SIGSEGV"; "signal 40" for those without a name.
std::string signal_name(int signal) {
    static constexpr std::array<std::pair<int, const char*>, 26> names{{
        {SIGABRT, "SIGABRT"}, {SIGALRM, "SIGALRM"},     {SIGBUS, "SIGBUS"},
        {SIGFPE, "SIGFPE"},   {SIGHUP, "SIGHUP"},       {SIGILL, "SIGILL"},
        {SIGINT, "SIGINT"},   {SIGIO, "SIGIO"},         {SIGKILL, "SIGKILL"},
        {SIGPIPE, "SIGPIPE"}, {SIGPROF, "SIGPROF"},     {SIGPWR, "SIGPWR"},
        {SIGQUIT, "SIGQUIT"}, {SIGSEGV, "SIGSEGV"},     {SIGSYS, "SIGSYS"},
        {SIGTERM, "SIGTERM"}, {SIGTRAP, "SIGTRAP"},     {SIGTSTP, "SIGTSTP"},
        {SIGTTIN, "SIGTTIN"}, {SIGTTOU, "SIGTTOU"},     {SIGUSR1, "SIGUSR1"},
        {SIGUSR2, "SIGUSR2"}, {SIGVTALRM, "SIGVTALRM"}, {SIGXCPU, "SIGXCPU"},
        {SIGXFSZ, "SIGXFSZ"}, {SIGSTKFLT, "SIGSTKFLT"},
    }};
    const auto* const found = std::find_if(
        names.begin(), names.end(), [signal](const auto& entry) { return entry.first == signal; });
    return found != names.end() ? found->second : fmt::format("signal {}", signal);
}

}  // namespace

HeldSignals::HeldSignals() noexcept {
    ::sigemptyset(&passed_on_);
    for (const int signal : held) {
        if (!is_ignored(signal)) ::sigaddset(&passed_on_, signal);
    }
    sigset_t blocked = passed_on_;
    ::sigaddset(&blocked, SIGCHLD);
    ::sigaddset(&blocked, SIGPIPE);
    ::sigprocmask(SIG_BLOCK, &blocked, &mask_before_);
}

void HeldSignals::release_for_program() const noexcept {
    const sigset_t to_default = ignored_by_us();
    for (int number = 1; number < NSIG; ++number) {
        if (::sigismember(&to_default, number) == 1) ::signal(number, SIG_DFL);
    }
    ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
}

bool is_stop(int signal) noexcept {
    return signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

bool asks_to_end(int signal) noexcept { return signal == SIGINT || signal == SIGTERM; }

bool ends_by_default(int signal) noexcept {
    return asks_to_end(signal) || signal == SIGHUP || signal == SIGQUIT;
}

std::string what_became(int status) {
    if (!WIFSIGNALED(status)) return fmt::format("ended with status {}", WEXITSTATUS(status));
    return fmt::format("was killed by {}{}", signal_name(WTERMSIG(status)),
                       WCOREDUMP(status) ? " (core dumped)" : "");
}

void stop_by(int signal) noexcept {
    ::raise(signal);  // pending: it is held
    let_in(signal);
    sigset_t one;
    ::sigemptyset(&one);
    ::sigaddset(&one, signal);
    ::sigprocmask(SIG_BLOCK, &one, nullptr);
    ::sigemptyset(&one);
    ::sigaddset(&one, SIGCONT);
    const timespec at_once{};
    ::sigtimedwait(&one, nullptr, &at_once);
}

int end_by(int signal) noexcept {
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::signal(signal, SIG_DFL);
    ::raise(signal);
    let_in(signal);
    return status_of_signals + signal;
}

}  // namespace onecopy::cli
