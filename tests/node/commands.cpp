#include "commands.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <thread>

#include "support/child.hpp"

namespace onecopy::test {
namespace {

std::string text_of(int fd) {
    std::string text;
    std::array<char, 4096> piece;
    ssize_t got = 0;
    while ((got = ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(text.size()))) > 0) {
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
    return text;
}

/// Without what mpirun says when somebody has stopped this test and lets it go on.
std::string without_going_on(const std::string& text) {
    std::string rest;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        if (!line.ends_with(": Forwarding signal 18 to job")) rest += line + "\n";
    }
    return rest;
}

}  // namespace

Arguments Ended::ranks() const {
    Arguments lines;
    std::istringstream stream(out);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    std::sort(lines.begin(), lines.end());
    return lines;
}

Arguments lines_of(const std::vector<int>& sizes, int times) {
    Arguments lines;
    for (const int size : sizes) {
        for (int rank = 0; rank < size; ++rank) {
            lines.insert(lines.end(), static_cast<std::size_t>(times),
                         "rank " + std::to_string(rank) + " of " + std::to_string(size));
        }
    }
    std::sort(lines.begin(), lines.end());
    return lines;
}

Command::Command(Arguments words, const Arguments& environment)
    : out_(::memfd_create("out", MFD_CLOEXEC)), err_(::memfd_create("err", MFD_CLOEXEC)) {
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    for (const char* name : {"ONECOPY_JOB", "ONECOPY_RANK", "ONECOPY_SIZE", "PMIX_NAMESPACE"}) {
        ::unsetenv(name);
    }
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    ::setenv("TMPDIR", folder_.path().c_str(), 1);
    for (const std::string& each : environment) ::putenv(const_cast<char*>(each.c_str()));
    ::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
    ::dup2(out_, STDOUT_FILENO);
    ::dup2(err_, STDERR_FILENO);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
}
Command::~Command() {
    end();
    ::close(out_);
    ::close(err_);
}

std::string Command::out() const { return text_of(out_); }
std::string Command::err() const { return text_of(err_); }

Ended Command::wait() {
    int status = 0;
    const bool ended = eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; });
    Ended result{-1, text_of(out_), without_going_on(text_of(err_))};
    EXPECT_TRUE(ended) << "it hangs\n" << result.out << result.err;
    if (ended) {
        pid_ = -1;
        if (WIFEXITED(status)) result.status = WEXITSTATUS(status);
    }
    return result;
}

/// A launcher ends its ranks before it ends by SIGTERM.
void Command::end() const {
    if (pid_ < 0) return;
    ::kill(pid_, SIGTERM);
    ::kill(pid_, SIGCONT);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (::waitpid(pid_, nullptr, WNOHANG) == 0) {
        if (std::chrono::steady_clock::now() > limit) {
            ::kill(-pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
            break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

Ended run(Arguments words, const Arguments& environment) {
    return Command(std::move(words), environment).wait();
}

Arguments operator+(Arguments left, const Arguments& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

bool is_installed(const char* program) {
    std::istringstream path(std::getenv("PATH"));
    for (std::string folder; std::getline(path, folder, ':');) {
        if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
    }
    return false;
}

Folder::Folder() { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace onecopy::test
