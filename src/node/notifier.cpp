#include "node/notifier.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace onecopy::node {

Notifier::Notifier(Bell& bell, const Watch& watch) : watch_(watch), arming_(bell) {
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
    event_.signal();  // whoever polls looks first
}

Notifier::~Notifier() {
    arming_.end();
    thread_.join();
    arming_.ended();
}

void Notifier::run() noexcept {
    while (arming_.round(
        event_, [this](std::uint32_t rings) { watch_.sleep(rings, -1); },
        [this] { return watch_.somebody_may_be_gone(); })) {
    }
}

Notifier::Event::Event() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!fd_) throw std::system_error(errno, std::system_category(), "onecopy: native_handle");
}

void Notifier::Event::clear() const noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(fd_.get(), &count, sizeof count);
}

void Notifier::Event::signal() const noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t put = ::write(fd_.get(), &one, sizeof one);
}

}  // namespace onecopy::node
