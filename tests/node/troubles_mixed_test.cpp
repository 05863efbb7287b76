// All ways at once, in threads, from and to oneself, with senders that come and go.
#include "troubles.hpp"

namespace onecopy {
namespace {

// Requests.cpp looks at requests without the lock.
TEST(Troubles, ThreadsOfARankWaitForSomeOfTheirRequestsAtOnce) {
    NodeOptions options;
    options.threads = true;
    const auto body = [](Node& node) {
        Communicator& world = node.world();
        std::atomic<int> failed = 0;
        std::vector<std::thread> threads;
        for (int thread = 0; thread < 4; ++thread) {
            threads.emplace_back([&world, &failed, thread] {
                std::vector<std::vector<std::byte>> memory(8, std::vector<std::byte>(20'000));
                for (int round = 0; round < 300; ++round) {
                    std::vector<Request> requests;
                    for (auto& each : memory) {
                        requests.push_back(world.rank() == 0 ? world.isend(each, 1, thread)
                                                             : world.irecv(each, 0, thread));
                    }
                    for (;;) {
                        const auto done =
                            round % 2 == 0 ? wait_some(requests) : test_some(requests);
                        for (const Finished& each : done) {
                            if (each.status.error && failed++ == 0) {
                                ADD_FAILURE() << each.status.error.message();
                            }
                        }
                        if (std::none_of(requests.begin(), requests.end(),
                                         [](const Request& r) { return r.active(); })) {
                            break;
                        }
                    }
                }
            });
        }
        for (std::thread& each : threads) each.join();
    };
    for (int again = 0; again < 8; ++again) {
        Ranks ranks(2, body, options);
        EXPECT_TRUE(end_well(ranks, {0, 1}, 15000));
    }
}

// The helper who finishes its piece wakes nobody.
TEST(Troubles, AReceiverThatSleepsIsWokenByItsHelper) {
    const os::Mapping shared(4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    auto* const words = reinterpret_cast<std::atomic<int>*>(shared.data());
    std::atomic<int>&go = words[0], &begun = words[16], &ended = words[32];
    constexpr int rounds = 40;
    Ranks ranks(2, [&](Node& node) {
        Communicator& world = node.world();
        node.endpoint().watch().set_long_nap(std::chrono::hours(1));
        constexpr std::size_t bytes = 128 << 20;
        auto* const memory = static_cast<std::byte*>(node.arena().allocate(bytes, 64));
        const Segment all(memory, bytes);
        std::fill(all.begin(), all.end(), std::byte{1});
        world.barrier();
        for (int round = 1; round <= rounds; ++round) {
            while (go < round) ::usleep(100);
            begun.fetch_add(1);
            if (world.rank() == 0) {
                world.send(all, 1, 0);
            } else {
                world.recv(all, 0, 0);
                ended = round;
            }
        }
    });
    for (int round = 1; round <= rounds; ++round) {
        go = round;
        while (begun < 2 * round) ::usleep(50);
        ::usleep(static_cast<useconds_t>(1000 + 373 * (round % 20)));
        ::kill(ranks.pid(0), SIGSTOP);
        ::usleep(80'000);
        ::kill(ranks.pid(0), SIGCONT);
        const auto end = steady_clock::now() + milliseconds(guard_ms);
        while (ended < round && steady_clock::now() < end) ::usleep(200);
        ASSERT_EQ(ended, round) << "the message lies until a nap is over";
    }
    EXPECT_TRUE(end_well(ranks, {0, 1}, 60000));
}

// What one sends oneself is in the ring when all others have left.
TEST(Troubles, AMessageToOneselfIsReceivedFromAnySourceWhenAllOthersHaveLeft) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        if (world.rank() == 1) return;
        int value = 1;
        std::error_code error;
        world.recv(std::as_writable_bytes(std::span(&value, 1)), 1, 0, error);
        EXPECT_EQ(error, Errc::peer_left);
        world.send(std::span(&value, 1), 0, 4);
        value = 0;
        world.recv(std::as_writable_bytes(std::span(&value, 1)), any_source, 4, error);
        EXPECT_FALSE(error) << error.message();
        EXPECT_EQ(value, 1);
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}

// All ways at once, senders that come and go, in both directions.
struct Random {
    std::uint32_t state;
    std::uint32_t operator()(std::uint32_t below) {
        state = state * 1664525U + 1013904223U;
        return (state >> 8) % below;
    }
};
void all_ways_at_once(Node& node, int rounds, std::uint32_t seed) {
    Communicator& world = node.world();
    const int other = 1 - world.rank();
    constexpr std::size_t most = 700'000;
    constexpr std::size_t count = 6;
    struct Box {
        std::vector<std::byte> ordinary = std::vector<std::byte>(most);
        std::byte* arena = nullptr;
    };
    std::array<Box, count> out, in;
    for (auto* boxes : {&out, &in}) {
        for (Box& box : *boxes) {
            box.arena = static_cast<std::byte*>(node.arena().allocate(most, 64));
        }
    }
    Random same{seed};                                                 // both know it
    Random own{seed + 77 + static_cast<std::uint32_t>(world.rank())};  // each his own
    int wrong = 0;
    for (int round = 0; round < rounds; ++round) {
        std::vector<Request> requests;
        std::array<std::size_t, 2 * count> bytes{};
        for (auto& each : bytes) each = same(4) == 0 ? same(5000) : 4097 + same(most - 4097);
        std::array<Segment, count> where;
        std::array<std::size_t, count> wanted{};
        const auto pieces = [&](Segment all) {
            std::vector<Segment> list;
            const std::size_t piece = 1 + all.size() / (1 + own(own(2) == 0 ? 5 : 150));
            for (std::size_t at = 0; at < all.size(); at += piece) {
                list.push_back(all.subspan(at, std::min(piece, all.size() - at)));
            }
            return list;
        };
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t length = bytes[i + count * static_cast<std::size_t>(other)];
            wanted[i] = own(5) == 0 ? length / 2 : length;
            where[i] = Segment(own(2) == 0 ? in[i].arena : in[i].ordinary.data(), most);
            std::fill(where[i].begin(), where[i].end(), std::byte{0xaa});
        }
        const auto receive = [&](std::size_t i) {
            const Segment into = where[i].first(wanted[i]);
            const int from = own(2) == 0 ? other : any_source;
            const int tag = static_cast<int>(i);
            if (own(3) == 0) {
                const auto list = pieces(into);
                requests.push_back(world.irecv(std::span<const Segment>(list), from, tag));
            } else {
                requests.push_back(world.irecv(into, from, tag));
            }
        };
        const bool late = own(3) == 0;
        if (!late) {
            for (std::size_t i = 0; i < count; ++i) receive(i);
        }
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t length = bytes[i + count * static_cast<std::size_t>(world.rank())];
            const Segment from =
                Segment(own(2) == 0 ? out[i].arena : out[i].ordinary.data(), most).first(length);
            test::fill(from,
                       static_cast<unsigned>(round * 20 + static_cast<int>(i) + world.rank()));
            if (own(3) == 0) {
                std::vector<ConstSegment> list;
                for (const Segment& each : pieces(from)) list.emplace_back(each);
                requests.push_back(
                    world.isend(std::span<const ConstSegment>(list), other, static_cast<int>(i)));
            } else {
                requests.push_back(world.isend(from, other, static_cast<int>(i)));
            }
        }
        if (late) {
            ::usleep(own(200));
            for (std::size_t i = 0; i < count; ++i) receive(i);
        }
        for (;;) {
            const auto check = [&](const Status& status) {
                if (status.error && status.error != Errc::truncated && wrong++ == 0) {
                    ADD_FAILURE() << status.error.message();
                }
            };
            std::vector<Finished> done;
            if (own(3) == 0) {
                done = test_some(requests);
            } else {
                done = wait_some(requests);
                if (done.empty()) break;
            }
            for (const Finished& each : done) check(each.status);
            if (own(4) == 0) ::usleep(own(100));
        }
        for (std::size_t i = 0; i < count; ++i) {
            const auto seed_of = static_cast<unsigned>(round * 20 + static_cast<int>(i) + other);
            const bool good =
                has_pattern(where[i].first(wanted[i]), seed_of) &&
                std::all_of(where[i].begin() + static_cast<std::ptrdiff_t>(wanted[i]),
                            where[i].end(), [](std::byte b) { return b == std::byte{0xaa}; });
            if (!good && wrong++ < 3) ADD_FAILURE() << "round " << round << " message " << i;
        }
    }
    world.barrier();
}
TEST(Troubles, AllWaysAtOnceWithSendersThatComeAndGo) {
    const char* const asked = std::getenv("ONECOPY_ROUNDS");
    const int rounds = asked != nullptr ? std::atoi(asked) : 60;
    Ranks ranks(2, [rounds](Node& node) {
        // A word for an answer first: otherwise all blocks may be gone (6).
        node.world().barrier();
        all_ways_at_once(node, rounds, 5);
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}, 300000));
}
TEST(Troubles, AllWaysAtOnceWithSendersThatStopAtAnyMoment) {
    const char* const asked = std::getenv("ONECOPY_ROUNDS");
    const int rounds = asked != nullptr ? std::atoi(asked) : 60;
    Ranks ranks(2, [rounds](Node& node) {
        node.world().barrier();
        all_ways_at_once(node, rounds, 6);
    });
    std::thread stopping([&] {
        Random random{3};
        for (int i = 0; i < rounds * 2; ++i) {
            const pid_t pid = ranks.pid(static_cast<int>(random(2)));
            ::kill(pid, SIGSTOP);
            ::usleep(random(4) == 0 ? 40'000 : random(3000));
            ::kill(pid, SIGCONT);
            ::usleep(random(5000));
        }
    });
    stopping.join();
    EXPECT_TRUE(end_well(ranks, {0, 1}, 300000));
}

TEST(Troubles, ALongMessageLetsOtherThreadsIn) {
    NodeOptions options;
    options.threads = true;
    Ranks ranks(
        2,
        [](Node& node) {
            Communicator& world = node.world();
            std::vector<std::byte> memory(std::size_t{512} << 20, std::byte{1});
            world.barrier();
            std::atomic<bool> over = false;
            std::atomic<long> looked = 0;
            std::thread other([&] {
                while (!over) {
                    world.iprobe(1 - world.rank(), 9);
                    ++looked;
                    ::usleep(100);
                }
            });
            const long before = looked;
            if (world.rank() == 0) world.send(memory, 1, 0);
            if (world.rank() == 1) world.recv(memory, 0, 0);
            const long after = looked;
            over = true;
            other.join();
            // 512 MiB in steps of 256 KiB are 2,000 chances.
            EXPECT_GE(after - before, 20);
        },
        options);
    EXPECT_TRUE(end_well(ranks, {0, 1}, 30000));
}

TEST(Troubles, LargeMessagesArriveWithoutADescriptorToSpare) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        std::vector<std::byte> memory(300'000);
        const rlimit none{3, 3};
        ::setrlimit(RLIMIT_NOFILE, &none);
        std::error_code error;
        if (world.rank() == 0) {
            test::fill(memory, 2);
            world.send(memory, 1, 0, error);
        } else {
            world.recv(memory, 0, 0, error);
            EXPECT_TRUE(has_pattern(memory, 2));
        }
        EXPECT_FALSE(error) << error.message();
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}
TEST(Troubles, ThousandsOfMessagesToOneselfFarMoreThanTheRingHolds) {
    EXPECT_RANKS(1, [](Node& node) {
        Communicator& world = node.world();
        constexpr std::size_t count = 3000;
        std::vector<std::vector<std::byte>> out, in;
        std::vector<Request> requests;
        for (std::size_t i = 0; i < count; ++i) {
            out.emplace_back(i * 37 % 6000);
            in.emplace_back(out.back().size());
            test::fill(out.back(), static_cast<unsigned>(i));
            requests.push_back(world.isend(out.back(), 0, 1));
        }
        for (auto& each : in) requests.push_back(world.irecv(each, any_source, any_tag));
        for (const Status& each : wait_all(requests)) EXPECT_FALSE(each.error);
        EXPECT_TRUE(in == out);
    });
}

}  // namespace
}  // namespace onecopy
