// A descriptor that polls readable when there is news (src/node/arming.hpp): who polls, the thread
// that sleeps in its place, and who sends.
#include "model/expect.hpp"
#include "model/sleep.hpp"
#include "node/arming.hpp"

namespace onecopy::model {
namespace {

using node::Arming;
using node::Bell;

/// Stands for an eventfd: the kernel does one thing after the other.
struct Event {
    Atomic<std::uint32_t> count;
    void clear() { count.exchange(0, std::memory_order_acq_rel); }
    void signal() { count.fetch_add(1, std::memory_order_acq_rel); }
    void poll() {
        wait_until([this] { return count.load(std::memory_order_acquire) != 0; });
    }
};

/// So many news, of which one may come with another. `calls`: so often the poller comes by itself,
/// and not because the descriptor is readable. `idle_ring`: the bell rings first for something that
/// the poller does not look for.
Program polled(unsigned all, int calls = 0, bool idle_ring = false) {
    return [=](Execution& run) {
        Atomic<unsigned>& news = run.make<Atomic<unsigned>>();
        run.name(news, "news");
        Bell& bell = make_bell(run, "poller's");
        Event& event = run.make<Event>();
        run.name(event.count, "event");
        Arming& arming = run.make<Arming>(bell);
        Atomic<unsigned>& ended = run.make<Atomic<unsigned>>();
        run.thread("sender", [=, &news, &bell] {
            if (idle_ring) bell.ring_if_asleep();
            for (unsigned i = 1; i <= all; ++i) {
                news.store(i, std::memory_order_seq_cst);
                bell.ring_if_asleep();
            }
        });
        run.thread("notifier", [&event, &arming, &bell, &ended] {
            while (arming.round(
                event, [&](std::uint32_t rings) { node::futex_wait(bell.rings, rings, {}); },
                [] { return false; })) {
            }
            ended.store(1, std::memory_order_release);
        });
        run.thread("poller", [=, &news, &event, &arming, &ended] {
            int calls_left = calls;
            int in_vain = 0;
            for (unsigned seen = 0; seen < all;) {
                const auto look = [&] {
                    const unsigned now = news.load(std::memory_order_acquire);
                    const bool found = now > seen;
                    seen = now;
                    return found;
                };
                if (look()) {
                    in_vain = 0;
                    continue;
                }
                check(++in_vain <= 3, "readable for nothing, again and again");
                arming.arm(event, look);
                if (calls_left > 0 && choose(2) == 1) {
                    --calls_left;
                } else {
                    event.poll();
                }
            }
            arming.end();
            wait_until([&] { return ended.load(std::memory_order_acquire) == 1; });
            arming.ended();
        });
        run.finally([&bell] {
            check(bell.asleep.load(std::memory_order_relaxed) == 0, "nobody is asleep");
        });
    };
}

TEST(ArmingModel, WhoPollsHearsOfEachMessageAndTheThreadEnds) {
    holds("arming, 1 message", polled(1));
    holds("arming, 1 message, a call between", polled(1, 1));
    holds("arming, a ring for nothing, 1 message, a call between", polled(1, 1, true));
}

TEST(ArmingModel, WhatIsWrongIsFound) {
    using Kind = Mutation::Kind;
    is_found("armed before what the bell was is written", polled(1),
             {.function = "arm", .op = "store"}, "data race");
    is_found("armed, and the thread is not woken", polled(1),
             {.kind = Kind::skip, .function = "arm", .op = "wake"}, "deadlock");
    is_found("a thread that is told to end and not woken", polled(1),
             {.kind = Kind::skip, .function = "end", .op = "wake"}, "deadlock");
    is_found("no fence before the last look", polled(1),
             {.kind = Kind::skip, .function = "lie_down", .op = "fence"}, "deadlock");
    is_found("a thread that does not say that it rests", polled(1),
             {.kind = Kind::skip, .function = "round", .op = "update"});
    is_found("who finds the thread asleep clears nothing", polled(1, 1, true),
             {.kind = Kind::skip, .function = "clear", .op = "update"}, "again and again");
    is_found("a sleeper that is counted for ever", polled(1),
             {.kind = Kind::skip, .function = "get_up"}, "nobody is asleep");
}

}  // namespace
}  // namespace onecopy::model
