#include "cli/bench_control.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <system_error>
#include <utility>

namespace onecopy::cli {
namespace {

constexpr int forever_ms = -1;

[[noreturn]] void fail_with(int error, const std::string& what) {
    throw std::system_error(error, std::system_category(), what);
}

os::Fd open_or_throw(const std::string& path, int flags) {
    os::Fd fd(::open(path.c_str(), flags | O_CLOEXEC));
    if (!fd) fail_with(errno, path);
    return fd;
}

/// "/proc/PID/fd/" of "/proc/PID/fd/N".
std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

}  // namespace

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t value, int timeout_ms) noexcept {
    static_assert(sizeof word == sizeof(std::uint32_t));
    const timespec timeout{timeout_ms / 1000, (timeout_ms % 1000) * 1'000'000L};
    ::syscall(SYS_futex, &word, FUTEX_WAIT, value, timeout_ms < 0 ? nullptr : &timeout, nullptr, 0);
}

void futex_wake(std::atomic<std::uint32_t>& word) noexcept {
    ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

ControlMapping::ControlMapping(int fd) {
    void* at = ::mmap(nullptr, sizeof(JobControl), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) fail_with(errno, "map the job's control block");
    control_ = static_cast<JobControl*>(at);
}

ControlMapping::ControlMapping(ControlMapping&& other) noexcept
    : control_(std::exchange(other.control_, nullptr)) {}

ControlMapping::~ControlMapping() {
    if (control_ != nullptr) ::munmap(control_, sizeof(JobControl));
}

ControlledRank::ControlledRank(const std::string& path)
    : control_(open_or_throw(path, O_RDWR).get()),
      lifeline_(open_or_throw(folder_of(path) + std::to_string(control_->lifeline),
                              O_RDONLY | O_NONBLOCK)) {
    const int fd = lifeline_.get();
    if (::fcntl(fd, F_SETOWN, ::getpid()) != 0 || ::fcntl(fd, F_SETSIG, SIGKILL) != 0 ||
        ::fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK) != 0) {
        fail_with(errno, "hold on to the bench's lifeline");
    }
    // It may have been cut before: then no signal comes.
    pollfd cut{fd, POLLIN, 0};
    if (::poll(&cut, 1, 0) > 0 && (cut.revents & POLLHUP) != 0) ::raise(SIGKILL);
}

void ControlledRank::bind(int rank) const noexcept {
    if (control_->cpu_count == 0) return;
    bind_to_cpu(control_->cpus[static_cast<std::size_t>(rank) % control_->cpu_count]);
}

void ControlledRank::begin(int rank) {
    rank_ = rank;
    report().pid.store(::getpid(), std::memory_order_relaxed);
    answer();
}

void ControlledRank::answer() {
    if (control_->answered.fetch_add(1, std::memory_order_acq_rel) + 1 == control_->ranks) {  // (B)
        futex_wake(control_->answered);
    }
    while (control_->turn.load(std::memory_order_acquire) == turn_) {  // pairs with (A)
        futex_wait(control_->turn, turn_, forever_ms);
    }
    ++turn_;
}

void ControlledRank::fail(std::string_view why) noexcept {
    if (control_->failed.exchange(1) != 0) return;  // another rank's words are enough
    control_->failure.set(why);
    control_->failed.store(2, std::memory_order_release);
    futex_wake(control_->answered);
}

}  // namespace onecopy::cli
