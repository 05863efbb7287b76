#include "support/child.hpp"

#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <string>
#include <thread>
#include <utility>

namespace onecopy::test {
namespace {

struct Command {
    Job job;
    Words words;
};

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(what + ": " + std::strerror(errno));
}

/// Ends with its parent. Must be said again after a change of credentials, which erases it.
void end_with(pid_t parent) noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const pid_t now = ::getppid();  // 0: the parent is outside of our pid namespace
    if (now != parent && now != 0) ::_exit(1);
}

[[noreturn]] void serve(int socket) noexcept {
    Command command{};
    while (::recv(socket, &command, sizeof command, 0) == sizeof command) {
        const std::int64_t answer = command.job(command.words);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a job may have erased it
        if (::send(socket, &answer, sizeof answer, MSG_NOSIGNAL) < 0) break;
    }
    ::_exit(0);
}

/// fork(), or clone3() where the number is prescribed.
pid_t fork_as(pid_t pid) noexcept {
    if (pid == 0) return ::fork();
    clone_args arguments{};
    arguments.exit_signal = SIGCHLD;
    arguments.set_tid = reinterpret_cast<std::uintptr_t>(&pid);
    arguments.set_tid_size = 1;
    return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
}

bool readable(int fd, int timeout_ms) noexcept {
    pollfd waiting{fd, POLLIN, 0};
    int ready = 0;
    do {
        ready = ::poll(&waiting, 1, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

void wait_for(pid_t pid) noexcept {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

/// Calls the kernel and nothing else: it has the thread-local memory of whoever cloned it, which
/// libc's functions and the sanitizers' would write.
__attribute__((no_sanitize("thread", "address", "undefined"))) int sleep_for_ever(void*) {
    for (;;) {
#if defined(__x86_64__)
        long answer = SYS_pause;
        asm volatile("syscall" : "+a"(answer) : : "rcx", "r11", "memory");
#else
        ::syscall(SYS_ppoll, nullptr, 0, nullptr, nullptr, 0);
#endif
    }
}

}  // namespace

std::int64_t clone_with_memory(int flags) noexcept {
    alignas(16) static std::array<char, 65536> stack;
    return ::clone(sleep_for_ever, stack.data() + stack.size(), CLONE_VM | flags, nullptr);
}

Relative::Relative(Child& child)
    : pid_(static_cast<pid_t>(
          child.run([](const Words&) -> std::int64_t { return clone_with_memory(SIGCHLD); }))) {
    if (pid_ <= 0) throw std::runtime_error("the child could not clone itself");
}

Relative::~Relative() { ::kill(pid_, SIGKILL); }

Child::Child(pid_t pid) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        fail("socketpair");
    }
    const pid_t parent = ::getpid();
    pid_ = fork_as(pid);
    if (pid_ == 0) {
        end_with(parent);
        ::close(ends[0]);
        serve(ends[1]);
    }
    const int error = errno;
    ::close(ends[1]);
    socket_ = ends[0];
    if (pid_ < 0) {
        ::close(socket_);
        errno = error;
        fail("fork");
    }
}

Child::Child(Child&& other) noexcept
    : kept(std::move(other.kept)),
      pid_(std::exchange(other.pid_, -1)),
      socket_(std::exchange(other.socket_, -1)) {}

Child::~Child() {
    reap();
    if (socket_ >= 0) ::close(socket_);
}

void Child::send(Job job, const Words& words) const {
    const Command command{job, words};
    if (::send(socket_, &command, sizeof command, MSG_NOSIGNAL) != sizeof command) {
        fail("a job for the child");
    }
}

std::int64_t Child::finish() {
    std::int64_t answer = 0;
    if (!readable(socket_, deadlock_guard_ms)) throw std::runtime_error("the child never answers");
    if (::recv(socket_, &answer, sizeof answer, 0) != sizeof answer) {
        throw std::runtime_error("the child ended instead of answering");
    }
    return answer;
}

void Child::signal(int number) const {
    if (::kill(pid_, number) != 0) fail("kill");
}

void Child::kill() const {
    signal(SIGKILL);
    wait_for_end();
}

void Child::wait_for_end() const {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0) {
        if (errno != EINTR) fail("waitid");
    }
}

void Child::reap() noexcept {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait_for(pid_);
    pid_ = -1;
}

void run_forked(const std::function<void()>& body, void* result, std::size_t bytes) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) fail("pipe");
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) {
        end_with(parent);
        ::close(ends[0]);
        bool good = true;
        try {
            body();
        } catch (const std::exception& thrown) {
            good = false;
            const std::string line = std::string("forked: ") + thrown.what() + "\n";
            good = ::write(STDERR_FILENO, line.data(), line.size()) < 0;
        }
        if (good) good = ::write(ends[1], result, bytes) == static_cast<ssize_t>(bytes);
        ::_exit(good ? 0 : 1);
    }
    ::close(ends[1]);
    const bool answered = child > 0 && readable(ends[0], deadlock_guard_ms) &&
                          ::read(ends[0], result, bytes) == static_cast<ssize_t>(bytes);
    ::close(ends[0]);
    if (child > 0) {
        if (!answered) ::kill(child, SIGKILL);
        wait_for(child);
    }
    if (!answered) throw std::runtime_error("a forked test body ended without its result");
}

void nap(int milliseconds) noexcept {
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

bool eventually(const std::function<bool()>& condition) {
    const auto start = std::chrono::steady_clock::now();
    while (!condition()) {
        if (std::chrono::steady_clock::now() - start >
            std::chrono::milliseconds(deadlock_guard_ms)) {
            return false;
        }
        nap(1);
    }
    return true;
}

}  // namespace onecopy::test
