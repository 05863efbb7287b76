#include "cli/mpi_launch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "cli/errors.hpp"
#include "cli/inherited.hpp"
#include "cli/preload.hpp"
#include "os/fd.hpp"

extern char** environ;

namespace onecopy::cli {
namespace {

constexpr int signal_status = 128;  // what a shell adds to a signal's number

/// The program, for the handler that passes signals on; 0 while there is none.
std::atomic<pid_t> child{0};
static_assert(std::atomic<pid_t>::is_always_lock_free);

void pass_on(int number) {
    const pid_t pid = child.load();
    if (pid > 0) ::kill(pid, number);
}

/// While it lives: a terminal's Ctrl-C, which the program gets as well, does not end us before it
/// has ended, and signals sent to us alone reach the program. What is ignored stays so, here and in
/// the program: nohup ignores SIGHUP, a shell SIGINT of what it runs in the background.
class SignalsForTheProgram {
public:
    SignalsForTheProgram() {
        to_default_ = ignored_by_us();
        sigset_t held;
        ::sigemptyset(&held);
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            ::sigaction(numbers[i], nullptr, &before_[i]);
            if (before_[i].sa_handler == SIG_IGN) continue;
            ::sigaddset(&held, numbers[i]);
            ::sigaddset(&to_default_, numbers[i]);
        }
        // Until there is a program to pass them on to.
        ::sigprocmask(SIG_BLOCK, &held, &mask_before_);
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            if (before_[i].sa_handler == SIG_IGN) continue;
            struct sigaction action {};
            const bool from_terminal = numbers[i] == SIGINT || numbers[i] == SIGQUIT;
            action.sa_handler = from_terminal ? SIG_IGN : pass_on;
            ::sigaction(numbers[i], &action, nullptr);
        }
    }
    ~SignalsForTheProgram() {
        child.store(0);
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            ::sigaction(numbers[i], &before_[i], nullptr);
        }
        ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    }
    SignalsForTheProgram(const SignalsForTheProgram&) = delete;
    SignalsForTheProgram& operator=(const SignalsForTheProgram&) = delete;

    /// From here on they go to `pid`, those that came meanwhile as well.
    void pass_to(pid_t pid) const {
        child.store(pid);
        ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    }

    /// What the program finds at its default, and what it finds blocked.
    [[nodiscard]] const sigset_t& to_default() const noexcept { return to_default_; }
    [[nodiscard]] const sigset_t& mask() const noexcept { return mask_before_; }

private:
    static constexpr std::array<int, 6> numbers{SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

    std::array<struct sigaction, numbers.size()> before_{};
    sigset_t to_default_{};
    sigset_t mask_before_{};
};

/// `output`: what becomes its standard output, -1 for ours.
pid_t spawn(const std::vector<std::string>& command, const SignalsForTheProgram& signals,
            int output = -1) {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setsigdefault(&attributes, &signals.to_default());
    ::posix_spawnattr_setsigmask(&attributes, &signals.mask());
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    if (output >= 0) ::posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    pid_t pid = 0;
    const int error = ::posix_spawnp(&pid, command.front().c_str(), &files, &attributes,
                                     arguments.data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&files);
    if (error != 0) {
        throw WrongInput(fmt::format("mpi: start {}: {}; give a program that can be run",
                                     command.front(), std::strerror(error)));
    }
    signals.pass_to(pid);
    return pid;
}

/// Waits for the end of it.
int status_of(pid_t pid) {
    siginfo_t ended{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR) {
    }
    child.store(0);  // before its number can become another process's
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSIGNALED(status) ? signal_status + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

std::string mpi_library() {
    return preloaded_library("mpi", "libonecopy_mpi.so", "where Open MPI's headers are");
}

int launch(const MpiLaunch& launch) {
    if (launch.off) {
        ::setenv("ONECOPY", "0", 1);
    } else {
        const std::string preload = preload_of("mpi", mpi_library(), std::getenv("LD_PRELOAD"));
        ::setenv("LD_PRELOAD", preload.c_str(), 1);
        if (!launch.report_directory.empty()) {
            ::setenv("ONECOPY_REPORT", launch.report_directory.c_str(), 1);
        }
    }
    const SignalsForTheProgram signals;
    return status_of(spawn(launch.command, signals));
}

int launch_and_read(const std::vector<std::string>& command, std::string& output) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw Failure(fmt::format("mpi: start {}: {}", command.front(), std::strerror(errno)));
    }
    const os::Fd read_end(ends[0]);
    os::Fd write_end(ends[1]);
    const SignalsForTheProgram signals;
    const pid_t pid = spawn(command, signals, write_end.get());
    write_end = os::Fd();
    std::array<char, 4096> piece{};
    for (;;) {
        const ssize_t got = ::read(read_end.get(), piece.data(), piece.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        output.append(piece.data(), static_cast<std::size_t>(got));
    }
    return status_of(pid);
}

ReportDirectory::ReportDirectory() {
    const char* chosen = std::getenv("TMPDIR");
    std::string pattern = chosen != nullptr && *chosen != '\0' ? chosen : "/tmp";
    pattern += "/onecopy-mpi-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw Failure(fmt::format("mpi: make a directory {} for the report: {}; set TMPDIR",
                                  pattern, std::strerror(errno)));
    }
    path_ = pattern;
}

ReportDirectory::~ReportDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace onecopy::cli
