#include "cli/rank_start.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

namespace onecopy::cli {
namespace {

constexpr int exit_not_found = 127;  // what a shell says
constexpr int exit_not_run = 126;

/// The child becomes the program, or ends.
[[noreturn]] void become(int rank, const RankSetup& setup, char* const* environment,
                         const RankOutput::Ends& output) {
    // The keeper may have ended before the kernel was told what to do then.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != setup.keeper) ::_exit(exit_not_run);
    ::setpgid(0, rank == 0 ? setup.foreground : 0);
    if (rank > 0) ::dup2(setup.nothing, STDIN_FILENO);
    if (output.output) ::dup2(output.output.get(), STDOUT_FILENO);
    if (output.error) ::dup2(output.error.get(), STDERR_FILENO);
    if (output.one) ::dup2(STDOUT_FILENO, STDERR_FILENO);
    ::fcntl(setup.job, F_SETFD, 0);
    Trouble trouble{rank, Trouble::Step::bind, 0};
    if (!setup.cores.empty()) {
        const auto which = static_cast<std::size_t>(rank) % setup.cores.size();
        trouble.error = node::bind_to(setup.cores[which]);
    }
    if (trouble.error == 0) {
        ::setrlimit(RLIMIT_NOFILE, &setup.descriptors);
        setup.signals->release_for_program();
        ::execvpe(setup.arguments.front(), setup.arguments.data(), environment);
        trouble = {rank, Trouble::Step::exec, errno};
    }
    // Fits into the pipe whole, or its reader has ended and so do we.
    [[maybe_unused]] const ssize_t written = ::write(setup.troubles, &trouble, sizeof trouble);
    ::_exit(trouble.error == ENOENT ? exit_not_found : exit_not_run);
}

}  // namespace

pid_t start_rank(int rank, const RankSetup& setup, RankEnvironment& environment,
                 const RankOutput::Ends& output) {
    char* const* const words = environment.of(rank);
    const pid_t pid = ::fork();
    if (pid == 0) become(rank, setup, words, output);
    // Here as well: a signal to the group may come before the child has got so far. It fails once
    // the program runs, and then it is done.
    if (pid > 0) ::setpgid(pid, rank == 0 ? setup.foreground : 0);
    return pid;
}

}  // namespace onecopy::cli
