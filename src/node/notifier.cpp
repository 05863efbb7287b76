#include "node/notifier.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>

namespace onecopy::node {

Notifier::Notifier(Bell& bell, const Watch& watch)
    : bell_(bell), watch_(watch), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!event_) throw std::system_error(errno, std::system_category(), "onecopy: native_handle");
    // The program's signals are for the program's threads.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        thread_ = std::thread([this] { run(); });
    } catch (...) {
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    signal();  // whoever polls looks first
}

Notifier::~Notifier() {
    stop_.store(true, std::memory_order_seq_cst);
    bell_.ring();
    os::futex_wake(armed_);
    thread_.join();
    if (armed_.load(std::memory_order_relaxed) != 0) {
        bell_.get_up();
    }
}

void Notifier::run() noexcept {
    while (!stop_.load(std::memory_order_seq_cst)) {
        if (armed_.load(std::memory_order_acquire) == 0) {
            os::futex_wait(armed_, 0, std::chrono::seconds(1));
            continue;
        }
        watch_.sleep(rings_, -1);
        const bool news =
            bell_.rings.load(std::memory_order_acquire) != rings_ || watch_.somebody_may_be_gone();
        if (!news) continue;
        bell_.get_up();
        armed_.store(0, std::memory_order_release);
        signal();
    }
}

void Notifier::clear() const noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(event_.get(), &count, sizeof count);
}

void Notifier::signal() const noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t put = ::write(event_.get(), &one, sizeof one);
}

}  // namespace onecopy::node
