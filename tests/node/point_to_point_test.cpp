// What MPI 4.0, chapter 3, promises of messages, between real processes.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include "onecopy/communicator.hpp"
#include "ranks.hpp"
#include "support/memory.hpp"

namespace onecopy {
namespace {

std::byte pattern(std::size_t seed, std::size_t index) {
    return test::pattern(static_cast<unsigned>(seed), index);
}
void fill(std::span<std::byte> bytes, std::size_t seed) {
    test::fill(bytes, static_cast<unsigned>(seed));
}

/// Sizes on both sides of every border: nothing, a line, the ring's longest, a step of a copy.
const std::vector<std::size_t> sizes = {0,    1,    8,      32,     33,        4095,     4096,
                                        4097, 8192, 65'535, 65'536, 1'000'003, 5'000'000};

bool has_pattern(std::span<const std::byte> bytes, std::size_t seed) {
    return test::first_difference(bytes, static_cast<unsigned>(seed)) == bytes.size();
}

/// Memory of the arena or ordinary.
struct Memory {
    Memory(Node& owner, std::size_t count, bool in_arena)
        : node(owner), bytes(count), arena(in_arena) {
        void* const at = arena ? node.arena().allocate(std::max<std::size_t>(count, 1), 64)
                               : ::operator new(std::max<std::size_t>(count, 1));
        data = static_cast<std::byte*>(at);
    }
    ~Memory() {
        if (arena) {
            node.arena().deallocate(data, std::max<std::size_t>(bytes, 1), 64);
        } else {
            ::operator delete(data);
        }
    }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    [[nodiscard]] Segment all() const { return {data, bytes}; }

    Node& node;
    std::size_t bytes;
    bool arena;
    std::byte* data;
};

TEST(PointToPoint, MessagesOfAllSizesArriveFromEveryKindOfMemoryInEveryKind) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        std::size_t seed = 0;
        for (const std::size_t bytes : sizes) {
            for (const bool from_arena : {false, true}) {
                for (const bool to_arena : {false, true}) {
                    ++seed;
                    const Memory memory(node, bytes, world.rank() == 0 ? from_arena : to_arena);
                    if (world.rank() == 0) {
                        fill(memory.all(), seed);
                        world.send(memory.all(), 1, 5);
                    } else {
                        fill(memory.all(), 0);
                        const Status status = world.recv(memory.all(), 0, 5);
                        EXPECT_EQ(status.bytes, bytes);
                        EXPECT_EQ(status.source, 0);
                        EXPECT_EQ(status.tag, 5);
                        EXPECT_TRUE(has_pattern(memory.all(), seed)) << bytes;
                    }
                }
            }
        }
    });
}

TEST(PointToPoint, OneWayAfterTheOtherNothingIsWrittenWhereAnEarlierMessageWent) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        constexpr std::size_t bytes = 700'000;
        const Memory arena(node, bytes, true), ordinary(node, bytes, false);
        for (std::size_t round = 0; round < 300; ++round) {
            // The sender's way decides; the receiver's other block must stay as it is.
            const Memory& from = round % 3 == 0 ? arena : ordinary;
            const Memory& to = round % 2 == 0 ? arena : ordinary;
            const Memory& other = round % 2 == 0 ? ordinary : arena;
            const std::size_t count = round % 5 == 0 ? bytes : 50'000 + 1000 * round;
            if (world.rank() == 0) {
                fill(from.all(), round);
                world.send(from.all().first(count), 1, 0);
            } else {
                fill(other.all(), round + 1000);
                world.recv(to.all(), 0, 0);
                EXPECT_TRUE(has_pattern(to.all().first(count), round)) << round;
                EXPECT_TRUE(has_pattern(other.all(), round + 1000)) << round;
            }
        }
    });
}

TEST(PointToPoint, TheCountersTellWhichWayMessagesWent) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        constexpr std::size_t bytes = 1 << 20;
        const Memory arena(node, bytes, true), ordinary(node, bytes, false);
        const NodeCounters before = node.counters();
        EXPECT_EQ(before.eager_messages + before.large_messages, 0U);
        if (world.rank() == 0) {
            world.send(ordinary.all().first(100), 1, 0);
            world.send(arena.all(), 1, 0);
            world.send(ordinary.all(), 1, 0);
            EXPECT_EQ(node.counters().eager_messages, 1U);
            EXPECT_EQ(node.counters().large_messages, 0U);
            const std::uint64_t helped = node.counters().helped_bytes;
            world.send(std::as_bytes(std::span(&helped, 1)), 1, 0);
            return;
        }
        world.recv(ordinary.all(), 0, 0);
        world.recv(ordinary.all(), 0, 0);
        EXPECT_EQ(node.counters().mapped_bytes, bytes);
        EXPECT_EQ(node.counters().called_bytes + node.counters().staged_bytes, 0U);
        world.recv(ordinary.all(), 0, 0);
        EXPECT_EQ(node.counters().mapped_bytes, bytes);
        EXPECT_EQ(node.counters().large_messages, 2U);
        EXPECT_EQ(node.counters().eager_messages, 0U);
        // What its sender has written by system calls counts there; into a stage, here as well.
        const std::uint64_t staged = node.counters().staged_bytes;
        std::uint64_t helped = 0;
        world.recv(std::as_writable_bytes(std::span(&helped, 1)), 0, 0);
        EXPECT_EQ(node.counters().called_bytes + (staged > 0 ? staged : helped), bytes);
    });
}

TEST(PointToPoint, OnRequestARankPrintsItsCountersInOneLine) {
    testing::internal::CaptureStderr();
    ::setenv("ONECOPY_STATS", "1", 1);
    EXPECT_RANKS(2, [](Node& node) {
        if (node.rank() == 0) node.world().send(ConstSegment(), 1, 0);
        if (node.rank() == 1) node.world().recv(Segment(), 0, 0);
    });
    ::unsetenv("ONECOPY_STATS");
    const std::string text = testing::internal::GetCapturedStderr();
    EXPECT_NE(text.find("onecopy: rank 0: 1 messages sent inline, 0 large"), std::string::npos)
        << text;
    EXPECT_NE(text.find("onecopy: rank 1: 0 messages sent inline, 0 large"), std::string::npos)
        << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
}

TEST(PointToPoint, MessagesThatCameBeforeTheirReceiveWait) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        constexpr std::size_t large = 300'000;
        std::vector<std::byte> first(100), second(large), third(8);
        if (world.rank() == 0) {
            fill(first, 1);
            fill(second, 2);
            fill(third, 3);
            Request one = world.isend(first, 1, 1);
            Request two = world.isend(second, 1, 2);
            world.send(third, 1, 3);
            world.barrier();
            one.wait();
            two.wait();
        } else {
            world.barrier();
            // In another order than they were sent: the tags say so.
            world.recv(third, 0, 3);
            world.recv(second, 0, 2);
            world.recv(first, 0, 1);
            EXPECT_TRUE(has_pattern(first, 1));
            EXPECT_TRUE(has_pattern(second, 2));
            EXPECT_TRUE(has_pattern(third, 3));
        }
    });
}

TEST(PointToPoint, MessagesOfOneSenderStayInOrderSmallAndLargeMixed) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        constexpr int count = 600;  // far more than the ring holds
        std::vector<std::vector<std::byte>> messages;
        std::vector<Request> requests;
        for (int i = 0; i < count; ++i) {
            messages.emplace_back(i % 7 == 3 ? 20'000U : static_cast<std::size_t>(i % 900));
            auto& message = messages.back();
            const auto seed = static_cast<std::size_t>(i + 1);
            if (world.rank() == 0) fill(message, seed);
            requests.push_back(world.rank() == 0 ? world.isend(message, 1, 0)
                                                 : world.irecv(message, any_source, any_tag));
        }
        for (const Status& status : wait_all(requests))
            EXPECT_FALSE(status.error) << status.error.message();
        if (world.rank() != 1) return;
        for (int i = 0; i < count; ++i) {
            EXPECT_TRUE(
                has_pattern(messages[static_cast<std::size_t>(i)], static_cast<std::size_t>(i + 1)))
                << i;
        }
    });
}

TEST(PointToPoint, ScatteredMemoryGoesToScatteredMemory) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        // Few pieces and many, small in sum and large.
        for (const std::size_t pieces : {2U, 3U, 64U, 65U, 1000U}) {
            for (const std::size_t bytes : {1U, 16U, 700U}) {
                const std::size_t total = pieces * bytes;
                std::vector<std::byte> memory(2 * total + pieces);
                if (world.rank() == 0) {
                    fill(memory, pieces + bytes);
                    std::vector<ConstSegment> list;
                    for (std::size_t i = 0; i < pieces; ++i) {
                        list.emplace_back(memory.data() + 2 * i * bytes, bytes);
                    }
                    world.send(std::span<const ConstSegment>(list), 1, 1);
                } else {
                    // Other borders: one byte between pieces of an odd length.
                    std::vector<Segment> list;
                    std::size_t at = 0;
                    for (std::size_t left = total; left > 0;) {
                        const std::size_t part = std::min<std::size_t>(left, bytes + 3);
                        if (at + part > memory.size()) {
                            memory.resize(at + part + total);
                        }
                        at += part + 1;
                        left -= part;
                    }
                    memory.assign(at + total, std::byte{0xee});
                    at = 0;
                    for (std::size_t left = total; left > 0;) {
                        const std::size_t part = std::min<std::size_t>(left, bytes + 3);
                        list.emplace_back(memory.data() + at, part);
                        at += part + 1;
                        left -= part;
                    }
                    world.recv(std::span<const Segment>(list), 0, 1);
                    std::size_t position = 0;
                    bool right = true;
                    for (const Segment& each : list) {
                        for (const std::byte byte : each) {
                            const std::size_t piece = position / bytes;
                            right = right && byte == pattern(pieces + bytes,
                                                             2 * piece * bytes + position % bytes);
                            ++position;
                        }
                        right = right && *(each.data() + each.size()) == std::byte{0xee};
                    }
                    EXPECT_TRUE(right) << pieces << " x " << bytes;
                }
            }
        }
    });
}

TEST(PointToPoint, ALongerMessageThanItsMemoryIsTruncatedAndNothingBehindItIsTouched) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        for (const std::size_t bytes : {100U, 4096U, 100'000U}) {
            std::vector<std::byte> memory(bytes);
            if (world.rank() == 0) {
                fill(memory, 3);
                world.send(memory, 1, 0);
                continue;
            }
            std::fill(memory.begin(), memory.end(), std::byte{0x11});
            std::error_code error;
            const Segment half(memory.data(), bytes / 2);
            const Status status = world.recv(half, 0, 0, error);
            EXPECT_EQ(error, Errc::truncated);
            EXPECT_EQ(status.bytes, bytes);
            EXPECT_TRUE(has_pattern(half, 3));
            EXPECT_TRUE(std::all_of(memory.begin() + static_cast<std::ptrdiff_t>(bytes / 2),
                                    memory.end(),
                                    [](std::byte b) { return b == std::byte{0x11}; }));
            EXPECT_THROW(world.recv(half, 7, 0), std::system_error);
        }
    });
}

TEST(PointToPoint, WildcardsTakeWhatCameFirst) {
    EXPECT_RANKS(3, [](Node& node) {
        Communicator& world = node.world();
        if (world.rank() == 0) {
            std::array<int, 3> seen{};
            for (int i = 0; i < 200; ++i) {
                int value = 0;
                const Status status = world.recv(std::span(&value, 1));
                EXPECT_EQ(status.bytes, sizeof value);
                // In order for each sender.
                EXPECT_EQ(value, seen[static_cast<std::size_t>(status.source)]++);
                EXPECT_EQ(status.tag, value % 5);
            }
            EXPECT_EQ(seen[1], 100);
            EXPECT_EQ(seen[2], 100);
        } else {
            for (int i = 0; i < 100; ++i) world.send(std::span(&i, 1), 0, i % 5);
        }
    });
}

TEST(PointToPoint, AReceivePostedEarlierForAnyoneGoesFirst) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        if (world.rank() == 1) {
            world.barrier();
            for (int i = 1; i <= 3; ++i) world.send(std::span(&i, 1), 0, 7);
            return;
        }
        std::array<int, 3> values{};
        Request specific = world.irecv(std::span(&values[0], 1), 1, 7);
        Request wild = world.irecv(std::span(&values[1], 1), any_source, any_tag);
        Request last = world.irecv(std::span(&values[2], 1), 1, 7);
        world.barrier();
        last.wait();
        wild.wait();
        specific.wait();
        EXPECT_EQ(values, (std::array<int, 3>{1, 2, 3}));
    });
}

TEST(PointToPoint, ARankSendsToItself) {
    EXPECT_RANKS(1, [](Node& node) {
        Communicator& world = node.world();
        for (const std::size_t bytes : sizes) {
            std::vector<std::byte> from(bytes), to(bytes);
            fill(from, bytes);
            Request receive = world.irecv(to, 0, 1);
            world.send(from, 0, 1);
            receive.wait();
            EXPECT_EQ(from, to);
        }
    });
}

TEST(PointToPoint, BothSendAtOnceByWayOfSendrecv) {
    EXPECT_RANKS(4, [](Node& node) {
        Communicator& world = node.world();
        for (const std::size_t bytes : sizes) {
            std::vector<std::byte> out(bytes), in(bytes);
            fill(out, static_cast<std::size_t>(world.rank()));
            const int right = (world.rank() + 1) % world.size();
            const int left = (world.rank() + world.size() - 1) % world.size();
            const Status status = world.sendrecv(out, right, 3, in, left, 3);
            EXPECT_EQ(status.source, left);
            EXPECT_TRUE(has_pattern(in, static_cast<std::size_t>(left)));
        }
    });
}

TEST(PointToPoint, ProbesTellWhatIsThereAndAMatchedOneKeepsIt) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        for (const std::size_t bytes : {10U, 100'000U}) {
            std::vector<std::byte> memory(bytes);
            if (world.rank() == 0) {
                fill(memory, 4);
                Request first = world.isend(memory, 1, 8);
                Request second = world.isend(memory, 1, 8);
                first.wait();
                second.wait();
                world.barrier();
                continue;
            }
            const Status status = world.probe(any_source, 8);
            EXPECT_EQ(status.bytes, bytes);
            EXPECT_EQ(status.tag, 8);
            Message message = world.mprobe(0, any_tag);
            EXPECT_EQ(message.status().bytes, bytes);
            // The other one: the first is taken.
            while (!world.iprobe(0, 8)) {
            }
            std::vector<std::byte> other(bytes);
            world.recv(other, 0, 8);
            EXPECT_FALSE(world.iprobe(0, any_tag).has_value());
            EXPECT_FALSE(world.improbe().has_value());
            message.recv(memory);
            EXPECT_TRUE(message.empty());
            EXPECT_TRUE(has_pattern(memory, 4));
            EXPECT_TRUE(has_pattern(other, 4));
            world.barrier();
        }
    });
}

TEST(PointToPoint, PersistentRequestsGoRoundAndRound) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        std::vector<std::byte> memory(10'000);
        Request request =
            world.rank() == 0 ? world.send_init(memory, 1, 2) : world.recv_init(memory, 0, 2);
        EXPECT_FALSE(request.active());
        for (std::size_t round = 0; round < 20; ++round) {
            if (world.rank() == 0) fill(memory, round);
            request.start();
            EXPECT_TRUE(request.active());
            EXPECT_THROW(request.start(), std::logic_error);
            request.wait();
            EXPECT_FALSE(request.active());
            if (world.rank() == 1) {
                EXPECT_TRUE(has_pattern(memory, round));
            }
        }
    });
}

TEST(PointToPoint, AReceiveIsCancelledOnlyBeforeItHasAMessage) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        int value = 0;
        if (world.rank() == 0) {
            Request request = world.irecv(std::span(&value, 1), 1, 1);
            EXPECT_TRUE(request.cancel());
            std::error_code error;
            request.wait(error);
            EXPECT_EQ(error, Errc::cancelled);
            world.barrier();
            // What was sent afterwards goes to the next one.
            world.recv(std::span(&value, 1), 1, 1);
            EXPECT_EQ(value, 42);
        } else {
            world.barrier();
            value = 42;
            Request request = world.isend(std::span(&value, 1), 0, 1);
            EXPECT_FALSE(request.cancel());
            request.wait();
        }
    });
}

TEST(PointToPoint, WaitAnyAndSomeTakeWhatIsDone) {
    EXPECT_RANKS(3, [](Node& node) {
        Communicator& world = node.world();
        if (world.rank() != 0) {
            for (int i = 0; i < 10; ++i) world.send(std::span(&i, 1), 0, i);
            return;
        }
        std::array<int, 20> values{};
        std::vector<Request> requests;
        for (int i = 0; i < 20; ++i) {
            requests.push_back(
                world.irecv(std::span(&values[static_cast<std::size_t>(i)], 1), 1 + i % 2, i / 2));
        }
        int done = 0;
        for (; done < 10; ++done) {
            Status status;
            const auto which = wait_any(requests, &status);
            ASSERT_TRUE(which.has_value());
            EXPECT_FALSE(requests[*which].active());
            EXPECT_EQ(status.tag, static_cast<int>(*which) / 2);
        }
        while (done < 20) {
            const auto some = wait_some(requests);
            EXPECT_FALSE(some.empty());
            done += static_cast<int>(some.size());
        }
        EXPECT_FALSE(wait_any(requests).has_value());
        EXPECT_TRUE(wait_some(requests).empty());
        for (int i = 0; i < 20; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], i / 2);
    });
}

TEST(PointToPoint, WrongRanksAndTagsAreErrors) {
    EXPECT_RANKS(1, [](Node& node) {
        Communicator& world = node.world();
        std::byte byte{};
        std::error_code error;
        world.send(Segment(&byte, 1), 1, 0, error);
        EXPECT_EQ(error, Errc::bad_rank);
        world.send(Segment(&byte, 1), -1, 0, error);
        EXPECT_EQ(error, Errc::bad_rank);
        world.send(Segment(&byte, 1), 0, -1, error);
        EXPECT_EQ(error, Errc::bad_tag);
        world.recv(Segment(&byte, 1), 0, -7, error);
        EXPECT_EQ(error, Errc::bad_tag);
        world.recv(Segment(&byte, 1), -7, 0, error);
        EXPECT_EQ(error, Errc::bad_rank);
        EXPECT_THROW(world.probe(3, 0), std::system_error);
        EXPECT_FALSE(std::string(make_error_code(Errc::bad_rank).message()).empty());
    });
}

TEST(PointToPoint, MemoryThatCannotBeReadIsAnErrorOnBothSidesAndNoHang) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        std::vector<std::byte> memory(100'000);
        std::error_code error;
        if (world.rank() == 0) {
            world.send(ConstSegment(reinterpret_cast<std::byte*>(64), memory.size()), 1, 0, error);
        } else {
            world.recv(memory, 0, 0, error);
        }
        EXPECT_EQ(error, std::errc::bad_address);
        world.barrier();
    });
}

TEST(PointToPoint, CommunicatorsDoNotSeeEachOthersMessages) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        Communicator other = world.dup();
        int one = world.rank() == 0 ? 1 : 0;
        int two = world.rank() == 0 ? 2 : 0;
        if (world.rank() == 0) {
            world.send(std::span(&one, 1), 1, 0);
            other.send(std::span(&two, 1), 1, 0);
        } else {
            other.recv(std::span(&two, 1), any_source, any_tag);
            world.recv(std::span(&one, 1), any_source, any_tag);
            EXPECT_EQ(one, 1);
            EXPECT_EQ(two, 2);
        }
    });
}

TEST(PointToPoint, ASplitGivesEachColorItsOwnRanksInTheOrderOfTheirKeys) {
    EXPECT_RANKS(7, [](Node& node) {
        Communicator& world = node.world();
        const int color = world.rank() == 6 ? -1 : world.rank() % 2;
        Communicator part = world.split(color, -world.rank());
        if (color < 0) {
            EXPECT_TRUE(part.empty());
            return;
        }
        EXPECT_EQ(part.size(), 3);
        EXPECT_EQ(part.rank(), (5 - world.rank()) / 2);
        int from = -1;
        const int own = world.rank();
        const int size = part.size();
        part.sendrecv(std::as_bytes(std::span(&own, 1)), (part.rank() + 1) % size, 0,
                      std::as_writable_bytes(std::span(&from, 1)), (part.rank() + size - 1) % size,
                      0);
        EXPECT_EQ(from % 2, color);
        // And again from a part.
        Communicator single = part.split(part.rank());
        EXPECT_EQ(single.size(), 1);
    });
}

TEST(PointToPoint, ABarrierHoldsEverybodyUntilTheLastOneComes) {
    EXPECT_RANKS(5, [](Node& node) {
        Communicator& world = node.world();
        for (int round = 0; round < 50; ++round) {
            const int late = round % world.size();
            if (world.rank() == late) {
                std::this_thread::sleep_for(std::chrono::microseconds(300));
                for (int i = 0; i < world.size(); ++i) {
                    if (i != late) world.send(std::span(&round, 1), i, 1);
                }
            }
            world.barrier();
            if (world.rank() == late) continue;
            const auto found = world.iprobe(late, 1);  // sent before its sender came to the barrier
            EXPECT_TRUE(found.has_value());
            int value = -1;
            world.recv(std::span(&value, 1), late, 1);
            EXPECT_EQ(value, round);
        }
    });
}

TEST(PointToPoint, SeveralThreadsOfARankSendAndReceiveAtOnce) {
    NodeOptions options;
    options.threads = true;
    const auto body = [](Node& node) {
        Communicator& world = node.world();
        std::vector<std::thread> threads;
        for (int thread = 0; thread < 4; ++thread) {
            threads.emplace_back([&, thread] {
                std::vector<std::byte> memory(thread % 2 == 0 ? 64U : 50'000U);
                for (std::size_t i = 0; i < 200; ++i) {
                    const int other = 1 - world.rank();
                    if (world.rank() == 0) fill(memory, i);
                    if (world.rank() == 0) {
                        world.send(memory, other, thread);
                    } else {
                        world.recv(memory, other, thread);
                        EXPECT_TRUE(has_pattern(memory, i));
                    }
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
    };
    EXPECT_TRUE(test::Ranks(2, body, options).wait().all_right());
}

TEST(PointToPoint, ThirtyRanksOnFewCoresTalkToEverybody) {
    EXPECT_RANKS(30, [](Node& node) {
        Communicator& world = node.world();
        const auto count = static_cast<std::size_t>(world.size());
        std::vector<std::vector<std::byte>> in(count, std::vector<std::byte>(6000));
        std::vector<std::byte> out(6000);
        fill(out, static_cast<std::size_t>(world.rank()));
        std::vector<Request> requests;
        for (std::size_t i = 0; i < count; ++i) {
            requests.push_back(world.irecv(in[i], static_cast<int>(i), 0));
        }
        for (int i = 0; i < world.size(); ++i) {
            // Everyone starts at another peer.
            requests.push_back(world.isend(out, (world.rank() + i) % world.size(), 0));
        }
        for (const Status& status : wait_all(requests)) EXPECT_FALSE(status.error);
        for (std::size_t i = 0; i < count; ++i) EXPECT_TRUE(has_pattern(in[i], i));
    });
}

}  // namespace
}  // namespace onecopy
