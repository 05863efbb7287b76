#include "cli/tune_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/errors.hpp"
#include "os/fd.hpp"

namespace onecopy::cli {
namespace {

[[noreturn]] void fail(const std::string& path, int error) {
    throw Failure(fmt::format(
        "tune: write {}: {}; make that possible, or name another directory by XDG_CACHE_HOME", path,
        std::strerror(error)));
}

/// While it lives, signals that end the process wait.
class SignalsWait {
public:
    SignalsWait() noexcept {
        sigset_t all;
        ::sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsWait() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
    SignalsWait(const SignalsWait&) = delete;
    SignalsWait& operator=(const SignalsWait&) = delete;

private:
    sigset_t before_{};
};

/// A file that is there until it is renamed.
class Draft {
public:
    explicit Draft(const std::string& path) : path_(path + "." + std::to_string(::getpid())) {
        ::unlink(path_.c_str());  // of one that was killed here, under the same number
        file_ = os::Fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!file_) fail(path_, errno);
    }
    ~Draft() {
        if (!path_.empty()) ::unlink(path_.c_str());
    }
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;

    void write(std::string_view text) {
        while (!text.empty()) {
            const ssize_t put = ::write(file_.get(), text.data(), text.size());
            if (put < 0) fail(path_, errno);
            text.remove_prefix(static_cast<std::size_t>(put));
        }
        // Else a machine that loses its power may find an empty file under the name.
        if (::fsync(file_.get()) != 0) fail(path_, errno);
    }
    void rename_to(const std::string& path) {
        if (::rename(path_.c_str(), path.c_str()) != 0) fail(path, errno);
        path_.clear();
    }

private:
    std::string path_;
    os::Fd file_;
};

}  // namespace

void make_room_for(const std::string& path) {
    for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
        const std::string directory = path.substr(0, at);
        if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) fail(directory, errno);
    }
    const std::string directory = path.substr(0, path.rfind('/'));
    if (::access(directory.c_str(), W_OK | X_OK) != 0) fail(directory, errno);
}

void replace_file(const std::string& path, std::string_view text) {
    const SignalsWait wait;
    Draft draft(path);
    draft.write(text);
    draft.rename_to(path);
}

}  // namespace onecopy::cli
