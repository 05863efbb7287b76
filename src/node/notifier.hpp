// A descriptor that polls readable when a rank has news, for programs that wait in poll, epoll or
// asio. There is a thread for it, which sleeps; who does not ask for the descriptor has none.
//
// Armed, the thread sleeps in the rank's place, on its bell and on the others' lifelines; woken, it
// makes the descriptor readable and waits to be armed again. The rank's own threads arm it, when
// they have looked and found nothing: they count it among the sleepers first and look once more, so
// nothing comes between (bell.hpp).
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "node/watch.hpp"
#include "os/fd.hpp"
#include "os/futex.hpp"

namespace onecopy::node {

/// All members but the thread's own are for one thread at a time.
class Notifier {
public:
    /// Throws std::system_error: EMFILE, no descriptor; EAGAIN, no thread.
    Notifier(Bell& bell, const Watch& watch);
    ~Notifier();
    Notifier(const Notifier&) = delete;
    Notifier& operator=(const Notifier&) = delete;

    [[nodiscard]] int fd() const noexcept { return event_.get(); }

    /// After a look that found nothing. `look` looks once more: whether there is something.
    template <class Look>
    void arm(const Look& look) noexcept {
        if (armed_.load(std::memory_order_acquire) != 0) return;
        clear();
        const std::uint32_t rings = bell_.lie_down();
        if (look()) {
            bell_.get_up();
            signal();
            return;
        }
        rings_ = rings;
        armed_.store(1, std::memory_order_release);
        os::futex_wake(armed_);
    }

private:
    void run() noexcept;
    void clear() const noexcept;
    void signal() const noexcept;

    Bell& bell_;
    const Watch& watch_;
    os::Fd event_;
    /// 1: the thread sleeps on the bell. 0 to 1 by who arms (release), back by the thread.
    std::atomic<std::uint32_t> armed_{0};
    std::atomic<bool> stop_{false};
    std::uint32_t rings_ = 0;  // before armed_
    std::thread thread_;
};

}  // namespace onecopy::node
