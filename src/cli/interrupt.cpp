#include "cli/interrupt.hpp"

namespace onecopy::cli {
namespace {

volatile sig_atomic_t flag = 0;

void set_flag(int) { flag = 1; }

}  // namespace

InterruptGuard::InterruptGuard() {
    flag = 0;
    for (std::size_t i = 0; i < signals_.size(); ++i) {
        struct sigaction action {};
        action.sa_handler = set_flag;
        action.sa_flags = SA_RESETHAND;
        ::sigaction(signals_[i], nullptr, &before_[i]);
        // What is ignored stays so: nohup ignores SIGHUP, and means it.
        if (before_[i].sa_handler != SIG_IGN) ::sigaction(signals_[i], &action, nullptr);
    }
}

InterruptGuard::~InterruptGuard() {
    for (std::size_t i = 0; i < signals_.size(); ++i) {
        ::sigaction(signals_[i], &before_[i], nullptr);
    }
}

bool InterruptGuard::interrupted() noexcept { return flag != 0; }

}  // namespace onecopy::cli
