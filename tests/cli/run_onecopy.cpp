#include "run_onecopy.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace onecopy::test {
namespace {

/// Both ends of a pipe, or a terminal's master and slave.
struct Ends {
    int ours = -1;
    int theirs = -1;
};

void must(bool worked, const char* what) {
    if (!worked) throw std::runtime_error(std::string(what) + " failed");
}

Ends make_pipe(bool we_read) {
    std::array<int, 2> fds{};
    must(::pipe2(fds.data(), O_CLOEXEC) == 0, "pipe2");
    return we_read ? Ends{fds[0], fds[1]} : Ends{fds[1], fds[0]};
}

Ends make_terminal() {
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    must(master >= 0 && ::grantpt(master) == 0 && ::unlockpt(master) == 0, "posix_openpt");
    std::array<char, 64> name{};
    must(::ptsname_r(master, name.data(), name.size()) == 0, "ptsname");
    const int slave = ::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    must(slave >= 0, "open terminal");
    return {master, slave};
}

/// Takes what can be read now; false at the end (a terminal's master says EIO then).
bool drain(int fd, std::string& text) {
    std::array<char, 65536> piece;
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got > 0) text.append(piece.data(), static_cast<std::size_t>(got));
    return got > 0 || (got < 0 && errno == EINTR);
}

void feed(int& fd, const std::string& input, std::size_t& fed) {
    const ssize_t put = ::write(fd, input.data() + fed, input.size() - fed);
    if (put > 0) fed += static_cast<std::size_t>(put);
    if (fed == input.size() || put < 0) ::close(std::exchange(fd, -1));
}

[[noreturn]] void become_the_tool(int binary, std::vector<std::string> arguments, int in, int out,
                                  int err, const ToolSetup& setup) {
    arguments.insert(arguments.begin(), "onecopy");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    ::dup2(in, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    if (setup.before_exec) setup.before_exec();
    // By descriptor: another user may not be allowed to walk to where the build is.
    ::fexecve(binary, argv.data(), environ);
    ::_exit(127);
}

}  // namespace

ToolRun run_onecopy(const std::vector<std::string>& arguments, const ToolSetup& setup) {
    const int binary = ::open(ONECOPY_TOOL, O_RDONLY | O_CLOEXEC);
    must(binary >= 0, "open " ONECOPY_TOOL);
    Ends in = make_pipe(false);
    Ends out = setup.terminal ? make_terminal() : make_pipe(true);
    Ends err = setup.terminal ? Ends{-1, out.theirs} : make_pipe(true);
    ::signal(SIGPIPE, SIG_IGN);  // the tool may end before it has read its input
    const pid_t pid = ::fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        ::signal(SIGPIPE, SIG_DFL);
        become_the_tool(binary, arguments, in.theirs, out.theirs, err.theirs, setup);
    }
    ::close(binary);
    ::close(in.theirs);
    ::close(out.theirs);
    if (!setup.terminal) ::close(err.theirs);
    if (setup.started) setup.started(pid);

    ToolRun run;
    std::size_t fed = 0;
    if (setup.input.empty()) ::close(std::exchange(in.ours, -1));
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(deadlock_guard_ms);
    while (out.ours >= 0 || err.ours >= 0) {
        std::array<pollfd, 3> waiting{pollfd{out.ours, POLLIN, 0}, pollfd{err.ours, POLLIN, 0},
                                      pollfd{in.ours, POLLOUT, 0}};
        ::poll(waiting.data(), waiting.size(), 1000);
        if (std::chrono::steady_clock::now() > deadline) ::kill(pid, SIGKILL);
        if (waiting[0].revents != 0 && !drain(out.ours, run.out)) {
            ::close(std::exchange(out.ours, -1));
        }
        if (waiting[1].revents != 0 && !drain(err.ours, run.err)) {
            ::close(std::exchange(err.ours, -1));
        }
        if (waiting[2].revents != 0) feed(in.ours, setup.input, fed);
    }
    if (in.ours >= 0) ::close(in.ours);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status)) run.status = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) run.signal = WTERMSIG(status);
    return run;
}

void redirect(int fd, const char* path) {
    const int opened = ::open(path, O_RDWR);
    if (opened < 0 || ::dup2(opened, fd) != fd) ::_exit(126);
    if (opened != fd) ::close(opened);
}

ToolSetup after(std::function<void()> before) {
    ToolSetup setup;
    setup.before_exec = std::move(before);
    return setup;
}

ToolSetup as_user(unsigned id) {
    return after([id] {
        if (become(user(id)) != 0) ::_exit(126);
    });
}

std::string number(const Child& child) { return std::to_string(child.pid()); }

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string hex(std::uint64_t address) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "0x%" PRIx64, address);
    return text.data();
}

ScratchDirectory::ScratchDirectory() {
    std::string name = std::filesystem::temp_directory_path() / "onecopy-test-XXXXXX";
    must(::mkdtemp(name.data()) != nullptr, "mkdtemp");
    path_ = name;
    must(::chmod(path_.c_str(), 0777) == 0, "chmod");
}

ScratchDirectory::~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void make_file(const std::string& path, const std::string& bytes) {
    std::ofstream file(path, std::ios::binary);
    file << bytes;
    file.close();
    must(file.good(), ("write " + path).c_str());
}

std::string file_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    must(file.good(), ("open " + path).c_str());
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace onecopy::test
