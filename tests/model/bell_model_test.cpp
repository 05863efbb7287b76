// Going to sleep and being woken (src/node/bell.hpp), with a ring of small messages and the list of
// rings that come (ring_list.hpp), as Endpoint::wait does it with its patience at an end.
#include "model/expect.hpp"
#include "model/messages.hpp"
#include "model/sleep.hpp"
#include "node/ring_list.hpp"

namespace onecopy::model {
namespace {

using node::Bell;
using node::RingList;
using node::RingMemory;
using node::RingReader;
using node::RingWriter;

constexpr std::size_t one_line = 8;

/// The reader sleeps for each message.
Program sleeping_reader(int messages, bool looks_first = true) {
    return [=](Execution& run) {
        RingWriter* writer = nullptr;
        RingReader* reader = nullptr;
        used_ring(run, 6, writer, reader);
        Bell& bell = make_bell(run, "reader's");
        run.thread("writer", [=, &bell] {
            for (int i = 0; i < messages; ++i) {
                check(push(*writer, i, one_line), "there is room");
                bell.ring_if_asleep();
            }
        });
        run.thread("reader", [=, &bell] {
            for (int i = 0; i < messages; ++i) {
                wait(
                    bell, [&] { return pop(*reader, i, one_line); }, looks_first);
            }
        });
        run.finally([&bell] {
            check(bell.asleep.load(std::memory_order_relaxed) == 0, "nobody is asleep");
        });
    };
}

/// The writer sleeps for room: the ring is full but for `room` lines. Before the reader sleeps, it
/// gives all lines back.
Program sleeping_writer(int room, int messages, bool both) {
    return [=](Execution& run) {
        RingWriter* writer = nullptr;
        RingReader* reader = nullptr;
        used_ring(run, 0, writer, reader);
        const int there = static_cast<int>(node::ring_lines) - room;
        for (int i = 0; i < there; ++i) push(*writer, i, one_line);
        Bell& writers = make_bell(run, "writer's");
        Bell& readers = make_bell(run, "reader's");
        const int all = there + messages;
        run.thread("writer", [=, &writers, &readers] {
            for (int i = there; i < all; ++i) {
                wait(writers, [&] { return push(*writer, i, one_line); });
                readers.ring_if_asleep();
            }
        });
        run.thread("reader", [=, &writers, &readers] {
            for (int i = 0; i < all; ++i) {
                const auto take = [&] {
                    bool gave = false;
                    const bool found = pop(*reader, i, one_line, &gave);
                    if (gave) writers.ring_if_asleep();
                    return found;
                };
                if (take()) continue;
                if (reader->give_back()) writers.ring_if_asleep();
                if (both) {
                    wait(readers, take);
                } else {
                    wait_until(take);
                }
            }
        });
    };
}

/// So many senders that the receiver has never heard of; it sleeps until one of each is there.
Program new_rings(int senders, int messages = 1, bool looks_first = true) {
    return [=](Execution& run) {
        std::array<RingMemory*, 3> rings{};
        RingList& list = run.make<RingList>();
        run.name(list.last, "last");
        Bell& bell = make_bell(run, "receiver's");
        for (int i = 0; i < senders; ++i) {
            RingMemory& ring = run.make<RingMemory>();
            run.name(ring.head, "head");
            run.name(ring.next, "next");
            run.name(ring.key, "key");
            run.name(ring.from, "from");
            for (node::RingLine& line : ring.lines) run.name(line.stamp, "stamp");
            rings[static_cast<std::size_t>(i)] = &ring;
            run.thread("sender " + std::to_string(i), [=, &ring, &list, &bell] {
                ring.key = ring_key;
                ring.from = i;
                list.push(ring, static_cast<std::uint32_t>(i));
                RingWriter writer(ring);
                for (int m = 0; m < messages; ++m) {
                    push(writer, m, one_line);
                    bell.ring_if_asleep();
                }
            });
        }
        run.thread("receiver", [=, &list, &bell] {
            struct Incoming {
                RingReader reader;
                int taken = 0;
            };
            std::array<std::optional<Incoming>, 3> incoming;
            std::size_t count = 0;
            int taken = 0;
            const auto progress = [&] {
                if (!list.empty()) {
                    list.take_all(
                        [&](std::uint32_t number) -> RingMemory& { return *rings[number]; },
                        [&](RingMemory& ring) {
                            check(count < incoming.size(), "each ring comes once");
                            incoming[count++].emplace(Incoming{RingReader(ring)});
                        });
                }
                const int before = taken;
                for (std::size_t i = 0; i < count; ++i) {
                    while (pop(incoming[i]->reader, incoming[i]->taken, one_line)) {
                        ++incoming[i]->taken;
                        ++taken;
                    }
                }
                return taken > before;
            };
            while (taken < senders * messages) wait(bell, progress, looks_first);
            check(count == static_cast<std::size_t>(senders), "each ring comes once");
        });
    };
}

TEST(BellModel, AReaderThatSleepsForEachMessageGetsAll) {
    holds("bell, 1 message", sleeping_reader(1));
    holds("bell, 2 messages", sleeping_reader(2));
    holds("bell, 3 messages, sleeping at once", sleeping_reader(3, false));
}
TEST(BellModel, AReaderMayWakeForNoReason) {
    Options options;
    options.early_wakes = 1;
    holds("bell, 2 messages, woken early once", sleeping_reader(2), options);
}
TEST(BellModel, AWriterThatSleepsForRoomGetsIt) {
    holds("bell, a full ring, 1 message", sleeping_writer(0, 1, false));
    holds("bell, a line of room, 2 messages", sleeping_writer(1, 2, false));
}
TEST(BellModel, BothMaySleepForEachOther) {
    holds("bell, a full ring, both sleep, 1 message", sleeping_writer(0, 1, true));
}
TEST(BellModel, ARingThatComesNewIsHeardOf) {
    holds("bell, a new ring, 1 message", new_rings(1, 1));
    holds("bell, a new ring, 2 messages", new_rings(1, 2));
    holds("bell, 2 new rings, sleeping at once", new_rings(2, 1, false));
}

using Orders = std::set<std::string>;

TEST(BellModel, EveryOrderIsNeededButThese) {
    // The fence in lie_down() does for both that stand before it (on x86 the update costs the same
    // whatever its order). `asleep` counts; who is woken for nothing looks again.
    EXPECT_EQ(orders_not_needed("node/bell.hpp", {new_rings(1, 1), sleeping_reader(2),
                                                  sleeping_writer(0, 1, false)}),
              (Orders{"get_up: update asleep relaxed", "lie_down: load rings relaxed",
                      "lie_down: update asleep relaxed", "ring: update rings release"}));
    EXPECT_EQ(orders_not_needed("node/ring_list.hpp", {new_rings(1, 1)}), Orders{});
    // Also what is stronger than the ring alone needs.
    EXPECT_EQ(
        orders_not_needed("node/ring.hpp", {sleeping_reader(1), sleeping_writer(0, 1, false)}),
        Orders{});
}

/// As Bell::sleep, without the last look.
TEST(BellModel, ASleeperThatDoesNotLookAgainIsFound) {
    const Result result = explore([](Execution& run) {
        RingWriter* writer = nullptr;
        RingReader* reader = nullptr;
        used_ring(run, 6, writer, reader);
        Bell& bell = make_bell(run, "reader's");
        run.thread("writer", [=, &bell] {
            push(*writer, 0, one_line);
            bell.ring_if_asleep();
        });
        run.thread("reader", [=, &bell] {
            while (!pop(*reader, 0, one_line)) {
                bell.sleep([] { return false; },
                           [&](std::uint32_t rings) { node::futex_wait(bell.rings, rings, {}); });
            }
        });
    });
    EXPECT_NE(result.why.find("deadlock"), std::string::npos) << result.why;
}

TEST(BellModel, WhatIsWrongIsFound) {
    using Kind = Mutation::Kind;
    const auto lost = [](const std::string& what, const Program& program,
                         const Mutation& mutation) {
        is_found(what, program, mutation, "deadlock");
    };
    lost("no fence before the last look", sleeping_reader(1),
         {.kind = Kind::skip, .function = "lie_down", .op = "fence"});
    lost("a fence that only releases and acquires", sleeping_reader(1),
         {.function = "lie_down", .op = "fence", .order = std::memory_order_acq_rel});
    is_found("a sleeper that does not say so", sleeping_reader(1),
             {.kind = Kind::skip, .function = "lie_down", .op = "update"});
    lost("news that are not stored with seq_cst", sleeping_reader(1),
         {.function = "put", .location = "stamp", .order = std::memory_order_release});
    lost("a look at the sleeper that is not seq_cst", sleeping_reader(1),
         {.function = "ring_if_asleep", .order = std::memory_order_acquire});
    lost("a bell that rings and wakes nobody", sleeping_reader(1),
         {.kind = Kind::skip, .function = "ring", .op = "wake"});
    lost("a wake-up that does not change the word slept on", sleeping_reader(1),
         {.kind = Kind::skip, .function = "ring", .op = "update"});
    lost("lines given back and not with seq_cst", sleeping_writer(0, 1, false),
         {.function = "give_back", .order = std::memory_order_release});
    lost("a ring that is pushed and not with seq_cst", new_rings(1, 1),
         {.function = "push", .op = "update", .order = std::memory_order_acq_rel});
    is_found("a ring pushed before it is written", new_rings(1, 1),
             {.function = "push", .op = "update"}, "data race");
    is_found("a ring taken without acquire", new_rings(1, 1), {.function = "take_all"},
             "data race");
    is_found("a ring pushed by a load and a store", new_rings(2, 1, false),
             {.kind = Kind::split, .function = "push", .op = "update"});
    is_found("a sleeper that is counted for ever", sleeping_reader(1),
             {.kind = Kind::skip, .function = "get_up"}, "nobody is asleep");
}

}  // namespace
}  // namespace onecopy::model
