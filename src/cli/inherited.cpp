#include "cli/inherited.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

namespace onecopy::cli {
namespace {

bool ignore_too_long_files = false;  // our doing, not the one's who started us

bool closed(int fd) noexcept { return ::fcntl(fd, F_GETFD) < 0 && errno == EBADF; }

bool is_ignored(int number) noexcept {
    struct sigaction found {};
    return ::sigaction(number, nullptr, &found) == 0 && found.sa_handler == SIG_IGN;
}

}  // namespace

void settle_what_was_inherited() noexcept {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        // The lowest free number is taken: those below are in use. /dev/null may be missing in a
        // container, the root directory is not.
        if (closed(fd) && ::open("/", O_PATH | O_CLOEXEC) != fd) break;
    }
    if (!is_ignored(SIGXFSZ)) {
        ::signal(SIGXFSZ, SIG_IGN);
        ignore_too_long_files = true;
    }
    if (is_ignored(SIGCHLD)) ::signal(SIGCHLD, SIG_DFL);
}

sigset_t ignored_by_us() noexcept {
    sigset_t set;
    ::sigemptyset(&set);
    if (ignore_too_long_files) ::sigaddset(&set, SIGXFSZ);
    return set;
}

}  // namespace onecopy::cli
