#include "heap/say.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <ctime>

#include "os/no_cancel.hpp"

namespace onecopy::heap {
namespace {

constexpr std::size_t most_bytes = 1024;

struct stat at_start {};
bool was_open = false;

/// While it lives a SIGPIPE of this thread is held back, and one of our making is dropped.
class NoPipeSignal {
public:
    NoPipeSignal() noexcept {
        sigset_t pending;
        ::sigpending(&pending);
        pending_before_ = ::sigismember(&pending, SIGPIPE) == 1;
        ::sigemptyset(&pipe_);
        ::sigaddset(&pipe_, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &pipe_, &mask_before_);
    }
    ~NoPipeSignal() {
        const timespec at_once{};
        if (!pending_before_) ::sigtimedwait(&pipe_, nullptr, &at_once);
        ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
    }
    NoPipeSignal(const NoPipeSignal&) = delete;
    NoPipeSignal& operator=(const NoPipeSignal&) = delete;

private:
    bool pending_before_;
    sigset_t pipe_, mask_before_;
};

}  // namespace

void say(const char* format, ...) noexcept {
    const int error = errno;
    char text[most_bytes];
    std::va_list values;
    va_start(values, format);
    const int bytes = std::vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (bytes > 0) {
        const os::NoCancel no_cancel;
        const NoPipeSignal no_signal;
        const std::size_t whole =
            std::min<std::size_t>(static_cast<std::size_t>(bytes), most_bytes - 1);
        (void)!::write(STDERR_FILENO, text, whole);
    }
    errno = error;
}

void remember_standard_error() noexcept { was_open = ::fstat(STDERR_FILENO, &at_start) == 0; }

bool standard_error_is_the_same() noexcept {
    struct stat now {};
    return was_open && ::fstat(STDERR_FILENO, &now) == 0 && now.st_dev == at_start.st_dev &&
           now.st_ino == at_start.st_ino;
}

}  // namespace onecopy::heap
