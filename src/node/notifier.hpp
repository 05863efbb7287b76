// A descriptor that polls readable when a rank has news, for programs that wait in poll, epoll or
// asio. There is a thread for it, which sleeps; who does not ask for the descriptor has none.
//
// Armed, the thread sleeps in the rank's place, on its bell and on the others' lifelines; woken, it
// makes the descriptor readable and waits to be armed again. The rank's own threads arm it, when
// they have looked and found nothing (arming.hpp).
#pragma once

#include <thread>

#include "node/arming.hpp"
#include "node/watch.hpp"
#include "os/fd.hpp"

namespace onecopy::node {

/// All members but the thread's own are for one thread at a time.
class Notifier {
public:
    /// Throws std::system_error: EMFILE, no descriptor; EAGAIN, no thread.
    Notifier(Bell& bell, const Watch& watch);
    ~Notifier();
    Notifier(const Notifier&) = delete;
    Notifier& operator=(const Notifier&) = delete;

    [[nodiscard]] int fd() const noexcept { return event_.fd(); }

    /// After a look that found nothing. `look` looks once more: whether there is something.
    template <class Look>
    void arm(const Look& look) noexcept {
        arming_.arm(event_, look);
    }

private:
    /// An eventfd. Source: eventfd(2).
    class Event {
    public:
        /// Throws std::system_error: EMFILE.
        Event();
        void clear() const noexcept;
        void signal() const noexcept;
        [[nodiscard]] int fd() const noexcept { return fd_.get(); }

    private:
        os::Fd fd_;
    };
    void run() noexcept;

    const Watch& watch_;
    Event event_;
    Arming arming_;
    std::thread thread_;
};

}  // namespace onecopy::node
