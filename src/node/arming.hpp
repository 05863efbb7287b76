// How a thread comes to sleep in its rank's place, and makes a descriptor readable when it wakes.
//
//   armed   0: it rests; 1: it sleeps on the rank's bell; 2 more: it is to end. The rank's threads
//           go from 0 to 1 (release), the thread goes back
//   rings   what the bell was before the rank's last look; written before armed is 1
//
// The rank's threads count it among the sleepers and look once more before they arm it, so nothing
// comes between (bell.hpp). The thread rests before it makes the descriptor readable: whoever polls
// finds it resting, and clears the descriptor before the next sleep. Who comes without having
// polled may arm it between the two; then the descriptor is readable for nothing once, and cleared
// by who finds the thread asleep. If that clears away news (the thread rests by then), it goes on
// as who finds it resting.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "node/atomic.hpp"
#include "node/bell.hpp"

namespace onecopy::node {

class Arming {
public:
    explicit Arming(Bell& bell) noexcept : bell_(bell) {}

    /// By the rank, one thread at a time, after a look that found nothing. look() looks once more:
    /// whether there is something. `event` has clear() and signal().
    template <class Event, class Look>
    void arm(Event& event, const Look& look) {
        if (armed_.load(std::memory_order_acquire) != 0) {
            event.clear();
            if (armed_.load(std::memory_order_acquire) != 0) return;
        }
        event.clear();
        const std::uint32_t rings = bell_.lie_down();
        if (look()) {
            bell_.get_up();
            event.signal();
            return;
        }
        rings_ = rings;
        armed_.store(1, std::memory_order_release);
        futex_wake(armed_);
    }

    /// The thread's, again and again; false: it is to end. sleep(rings) sleeps on the bell, and
    /// somebody_gone() says whether there is news without its being rung.
    template <class Event, class Sleep, class Gone>
    bool round(Event& event, const Sleep& sleep, const Gone& somebody_gone) {
        const std::uint32_t armed = armed_.load(std::memory_order_acquire);
        if (armed >= ending) return false;
        if (armed == 0) {
            futex_wait(armed_, 0, std::chrono::seconds(1));
            return true;
        }
        const std::uint32_t rings = rings_;
        sleep(rings);
        if (bell_.rings.load(std::memory_order_acquire) == rings && !somebody_gone()) return true;
        bell_.get_up();
        armed_.fetch_sub(1, std::memory_order_release);
        event.signal();
        return true;
    }

    /// By who has the thread, once: it is to end, wherever it is.
    void end() noexcept {
        armed_.fetch_add(ending, std::memory_order_seq_cst);
        bell_.ring();
        futex_wake(armed_);
    }
    /// After it has ended.
    void ended() noexcept {
        if (armed_.load(std::memory_order_acquire) % ending != 0) bell_.get_up();
    }

private:
    static constexpr std::uint32_t ending = 2;

    Bell& bell_;
    Atomic<std::uint32_t> armed_{0};
    Plain<std::uint32_t> rings_{0};
};

}  // namespace onecopy::node
