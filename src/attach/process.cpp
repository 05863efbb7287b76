#include "onecopy/process.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <thread>

#include "attach/target.hpp"
#include "os/no_cancel.hpp"

namespace onecopy {

Process::Process(int pid, ProcessOptions options) {
    std::error_code error;
    *this = Process(pid, options, error);
    if (error) {
        throw std::system_error(error, "onecopy: open process " + std::to_string(pid));
    }
}

Process::Process(int pid, ProcessOptions options, std::error_code& error) noexcept
    : target_(new (std::nothrow) attach::Target(pid, options, error)) {
    if (!target_) {
        error = std::make_error_code(std::errc::not_enough_memory);
    } else if (error) {
        target_.reset();
    }
}

Process Process::self() { return Process(::getpid()); }

Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;
Process::~Process() = default;

int Process::pid() const noexcept { return target_ ? target_->pid() : -1; }

bool Process::alive() const noexcept { return target_ && !target_->ended_without_watch(); }

bool Process::same_image() const noexcept {
    return alive() && target_->image() != attach::Target::Image::gone;
}

int Process::death_fd() const noexcept { return target_ ? target_->pidfd() : -1; }

bool Process::wait_for_death(std::chrono::milliseconds timeout) const noexcept {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::milliseconds nap{10};        // how late a death is seen without a pidfd
    constexpr std::chrono::milliseconds hour{3600000};  // poll takes an int: wait in pieces
    const bool forever = timeout.count() < 0;
    const auto start = Clock::now();
    const os::NoCancel no_cancel;
    while (alive()) {
        auto left = forever ? hour
                            : timeout - std::chrono::duration_cast<std::chrono::milliseconds>(
                                            Clock::now() - start);
        if (left.count() <= 0) return false;
        if (death_fd() >= 0) {
            pollfd waiting{death_fd(), POLLIN, 0};
            ::poll(&waiting, 1, static_cast<int>(std::min(left, hour).count()));
        } else {
            std::this_thread::sleep_for(std::min(left, nap));
        }
    }
    return true;
}

std::error_code Process::access() const noexcept {
    int error = ESRCH;
    if (target_ && !target_->ended()) {
        const int right = target_->is_self() ? 0 : target_->probe();
        error = right;
        if (right != 0 && right != ESRCH) {
            // The other way has a check of its own.
            error = target_->mem_permitted_now(false);
            if (error == EACCES || error == ENOENT) {
                error = right == attach::Target::no_memory ? ESRCH : EPERM;
            }
        }
        if (error == 0 && !target_->is_self() && target_->ended()) error = ESRCH;
    }
    return {error, std::system_category()};
}

}  // namespace onecopy
