// What communicators take of the job's memory for their collective calls, and that it is given
// back.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <numeric>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "collectives/group.hpp"
#include "few_allocations.hpp"
#include "node/endpoint.hpp"
#include "onecopy/communicator.hpp"
#include "onecopy/message_view.hpp"
#include "ranks.hpp"
#include "support/child.hpp"

namespace onecopy {
namespace {

using test::Ranks;

/// Blocks for collective calls that were ever taken in this job.
std::uint32_t taken(Node& node) { return node.endpoint().memory().head().taken_boards.load(); }

/// What a communicator takes at most: its table, and each member's board and frames. (Several may
/// look for the table at once, and give back what they took for it.)
std::uint32_t blocks_of_one(int ranks) {
    const auto all = static_cast<std::uint32_t>(ranks);
    return 1 + all * (1 + node::blocks_of_frames) + all - 1;
}

constexpr std::size_t small = 3, large = 20'000;

/// A call on memory that nobody prepared; checks what comes out.
void add_up(Communicator& members, std::size_t count, double value = 1) {
    std::vector<double> from(count, value), to(count, -1);
    members.allreduce(from, to, Op::sum);
    EXPECT_EQ(to[count - 1], value * members.size());
}

/// When it returns all have called it; without a collective call.
void meet(Node& node) {
    Communicator& world = node.world();
    int token = 0;
    for (int rank = 1; rank < world.size(); ++rank) {
        if (world.rank() == 0) world.recv(std::span(&token, 1), rank);
    }
    if (world.rank() != 0) world.send(std::span(&token, 1), 0);
    for (int rank = 1; rank < world.size(); ++rank) {
        if (world.rank() == 0) world.ssend(std::span(&token, 1), rank);
    }
    if (world.rank() != 0) world.recv(std::span(&token, 1), 0);
}

TEST(Blocks, AThousandCommunicatorsOneAfterTheOtherTakeWhatOneTakes) {
    for (const int ranks : {2, 4}) {
        EXPECT_RANKS(ranks, [=](Node& node) {
            for (int i = 0; i < 1000; ++i) {
                Communicator one = node.world().dup();
                add_up(one, small, i);
                add_up(one, large, i);
                one.barrier();
            }
            EXPECT_LE(taken(node), blocks_of_one(ranks));
        });
    }
}

TEST(Blocks, AMemberThatNeverCallsDoesNotKeepThem) {
    EXPECT_RANKS(3, [](Node& node) {
        for (int i = 0; i < 1000; ++i) {
            Communicator one = node.world().dup();
            std::vector<int> value(10, node.rank() == 0 ? i : -1);
            if (node.rank() < 2) one.bcast(value, 0);
            EXPECT_EQ(value[9], node.rank() < 2 ? i : -1);
        }
        EXPECT_LE(taken(node), blocks_of_one(3));
    });
}

TEST(Blocks, CommunicatorsWithoutCallsTakeNone) {
    EXPECT_RANKS(2, [](Node& node) {
        for (int i = 0; i < 100; ++i) node.world().dup();
        EXPECT_EQ(taken(node), 0U);
    });
}

TEST(Blocks, TheOrderOfDestructionIsEverybodysOwn) {
    EXPECT_RANKS(3, [](Node& node) {
        constexpr int at_once = 10;
        std::mt19937 random(static_cast<unsigned>(node.rank()));
        for (int round = 0; round < 20; ++round) {
            std::vector<Communicator> all;
            for (int i = 0; i < at_once; ++i) {
                all.push_back(node.world().dup());
                add_up(all.back(), i % 2 == 0 ? small : large, i);
            }
            std::shuffle(all.begin(), all.end(), random);
            while (!all.empty()) {
                // Those that are left are as good as before.
                all.pop_back();
            }
        }
        EXPECT_LE(taken(node), at_once * blocks_of_one(3));
    });
}

TEST(Blocks, WhatOneHasLeftTheOthersStillUse) {
    EXPECT_RANKS(2, [](Node& node) {
        for (int i = 0; i < 200; ++i) {
            Communicator one = node.world().dup();
            std::vector<int> value(1000, node.rank() == 0 ? i : -1);
            if (node.rank() == 0) {
                one.bcast(value, 0);
                one = {};
                // If its board were free now it would get this.
                Communicator other = node.world().split(node.rank());
                std::vector<int> noise(1000, -7);
                other.bcast(noise, 0);
                meet(node);
            } else {
                Communicator other = node.world().split(node.rank());
                meet(node);
                one.bcast(value, 0);
            }
            EXPECT_EQ(value[999], i);
        }
    });
}

TEST(Blocks, CallsOnTheirWayGoOnWithoutTheCommunicator) {
    EXPECT_RANKS(3, [](Node& node) {
        for (int i = 0; i < 200; ++i) {
            const std::size_t count = i % 2 == 0 ? small : large;
            std::vector<double> from(count, i), to(count, -1);
            Request request;
            {
                Communicator one = node.world().dup();
                if (node.rank() == i % 3) {
                    std::this_thread::sleep_for(std::chrono::microseconds(200));
                }
                request =
                    one.iallreduce(std::as_bytes(std::span(from)),
                                   std::as_writable_bytes(std::span(to)), {Op::sum, Type::float64});
            }
            if (i % 4 == 0) {
                std::error_code error;
                while (!request.test(error)) {
                }
                EXPECT_FALSE(error);
            } else {
                request.wait();
            }
            EXPECT_EQ(to[count - 1], 3.0 * i);
        }
        EXPECT_LE(taken(node), blocks_of_one(3));
    });
}

/// Over, but nobody has asked for its end yet.
TEST(Blocks, ACallThatIsOverKeepsNothing) {
    EXPECT_RANKS(2, [](Node& node) {
        std::vector<Request> requests;
        for (int i = 0; i < 100; ++i) {
            Communicator one = node.world().dup();
            requests.push_back(one.ibarrier());
            // (To pass this all must have begun the other.)
            meet(node);
            meet(node);
        }
        EXPECT_LE(taken(node), blocks_of_one(2));
        wait_all(requests);
    });
}

TEST(Blocks, CopiesOfACommunicatorAreOne) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator copy;
        {
            Communicator one = node.world().dup();
            add_up(one, small);
            copy = one;
        }
        add_up(copy, small);
        Communicator moved = std::move(copy);
        copy = {};
        add_up(moved, large);
    });
}

/// It is one communicator, of which each member goes once.
TEST(Blocks, WhatIsShrunkTwiceIsOne) {
    EXPECT_RANKS(3, [](Node& node) {
        Communicator& world = node.world();
        for (int i = 0; i < 20; ++i) {
            Communicator parent = world.dup();
            Communicator one = parent.shrink();
            if (i % 2 == 0) add_up(one, small);
            Communicator other = parent.shrink();
            add_up(other, large);
            meet(node);
            if (node.rank() == 0) one = {};
            meet(node);
            // What others made of its memory meanwhile would be in here.
            Communicator noise = world.dup();
            add_up(noise, small, 100 + i);
            add_up(other, small, i);
            add_up(other, large, i);
        }
        EXPECT_LE(taken(node), 2 * blocks_of_one(3));
    });
}

TEST(Blocks, WhatWasShrunkAndDestroyedIsNotMadeAgain) {
    EXPECT_RANKS(3, [](Node& node) {
        Communicator parent = node.world().dup();
        Communicator kept = parent.shrink();
        if (node.rank() < 2) kept = {};
        meet(node);
        std::error_code error;
        try {
            Communicator again = parent.shrink();
        } catch (const std::system_error& failure) {
            error = failure.code();
            EXPECT_NE(std::string(failure.what()).find("shrunk before"), std::string::npos);
        }
        EXPECT_EQ(error, node.rank() < 2 ? std::errc::invalid_argument : std::errc());
        meet(node);
        // The last member has not gone yet: nothing was given back.
        const node::CollectiveRecord& record = *node.endpoint().memory().collective_record(
            node.rank() == 2 ? kept.context().number() / 2 : 0);
        EXPECT_EQ(record.gone.load(), node.rank() == 2 ? 2U : 0U);
        meet(node);
    });
}

TEST(Blocks, ACommunicatorThatOutlivesItsNodeIsDestroyedInPeace) {
    EXPECT_TRUE(Ranks(2, std::function<void()>([] {
                          Communicator longer;
                          Node node;
                          longer = node.world().dup();
                          add_up(longer, small);
                          auto* const moved = new Communicator(std::move(longer));
                          static std::unique_ptr<Communicator> last;
                          last.reset(moved);
                          std::atexit([] { last.reset(); });
                      }))
                    .wait()
                    .all_right());
}

/// Who leaves the job has gone from all its communicators.
TEST(Blocks, WhoLeavesTheJobKeepsNothing) {
    EXPECT_RANKS(3, [](Node& node) {
        Communicator pair = node.world().split(node.rank() < 2 ? 0 : 1);
        static std::vector<Communicator> kept;
        for (int i = 0; i < 20; ++i) {
            Communicator one = node.world().dup();
            add_up(one, small);
            if (node.rank() == 2) kept.push_back(one);
        }
        if (node.rank() == 2) return;
        // Until its goodbye.
        std::error_code error;
        int nothing = 0;
        node.world().recv(std::as_writable_bytes(std::span(&nothing, 1)), 2, 0, error);
        EXPECT_EQ(error, Errc::peer_left);
        const std::uint32_t before = taken(node);
        for (int i = 0; i < 20; ++i) {
            Communicator one = pair.dup();
            add_up(one, small);
        }
        EXPECT_EQ(taken(node), before);
    });
}

/// A child of a rank destroys what it has got of its parent, and none of it is at work there.
TEST(Blocks, AChildMayDestroyWhatItsParentHasBegun) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        Communicator one = world.dup();
        std::vector<double> from(large, 1), to(large);
        std::vector<std::byte> message(100'000), got(message.size());
        int value = 0;
        const auto begin = [&] {
            return one.iallreduce(std::as_bytes(std::span(from)),
                                  std::as_writable_bytes(std::span(to)), {Op::sum, Type::float64});
        };
        if (node.rank() == 1) {
            Request sent = world.isend(message, 0, 1), other = world.isend(message, 0, 2);
            meet(node);
            begin().wait();
            world.send(std::span(&value, 1), 0, 3);
            sent.wait();
            other.wait();
            return;
        }
        Request call = begin();
        Request receive = world.irecv(std::span(&value, 1), 1, 3);
        Message large_one = world.mprobe(1, 1);
        MessageView view = world.recv_view(1, 2);
        const pid_t child = ::fork();
        if (child == 0) return;  // and unwinds
        int status = -1;
        ::waitpid(child, &status, 0);
        EXPECT_EQ(status, 0);
        meet(node);
        call.wait();
        receive.wait();
        large_one.recv(got);
        EXPECT_EQ(to[large - 1], 2.0);
    });
}

struct Flags {
    std::atomic<int> come{0}, killed{0};
};

TEST(Blocks, AKillAmidMakingAndDestroyingHarmsNoOtherCommunicator) {
    std::mt19937 random(11);
    void* const shared =
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(shared, MAP_FAILED);
    auto& flags = *new (shared) Flags;
    const char* const more = std::getenv("ONECOPY_ROUNDS");
    const int rounds = 15 * (more != nullptr ? std::max(1, std::atoi(more)) : 1);
    for (int round = 0; round < rounds; ++round) {
        flags.come = flags.killed = 0;
        const auto victim = static_cast<int>(2 + random() % 2);
        Ranks job(4, [&](Node& node) {
            Communicator pair = node.world().split(node.rank() / 2);
            ++flags.come;
            const auto use = [](Communicator& of, int i) {
                Communicator one = of.dup();
                add_up(one, small, i);
                if (i % 4 == 0) add_up(one, large, i);
            };
            if (node.rank() < 2) {
                // They agree on when to end.
                int rest = 50;
                for (int i = 0; rest > 0; ++i) {
                    use(pair, i);
                    if (pair.allreduce(flags.killed.load(), Op::min) == 1) --rest;
                }
                return;
            }
            std::error_code error;
            for (int i = 0; !error; ++i) {
                try {
                    use(pair, i);
                } catch (const std::system_error& failure) {
                    error = failure.code();
                }
            }
            EXPECT_EQ(error, Errc::peer_died) << error.message();
            Communicator alone = pair.shrink();
            for (int i = 0; i < 20; ++i) use(alone, i);
        });
        ASSERT_TRUE(test::eventually([&] { return flags.come == 4; }));
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
        ::kill(job.pid(victim), SIGKILL);
        flags.killed = 1;
        ASSERT_TRUE(job.wait().all_right({0, 1, victim == 2 ? 3 : 2})) << "round " << round;
    }
    ::munmap(shared, 4096);
}

collectives::Group& group_of(Communicator& members) {
    return *static_cast<collectives::Group*>(members.context().above.get());
}

/// As much as 32 bits hold, and more.
TEST(Blocks, CallsAreCountedForever) {
    constexpr std::uint64_t all = std::uint64_t{1} << 32;
    EXPECT_RANKS(3, [](Node& node) {
        Communicator& world = node.world();
        const auto skip = [&](std::uint64_t calls) {
            meet(node);
            group_of(world).skip_calls(calls);
            meet(node);
        };
        world.barrier();
        skip(all - 20);
        for (int i = 0; i < 60; ++i) {
            std::vector<int> value(10, node.rank() == 0 ? i : -1);
            world.bcast(value, 0);
            ASSERT_EQ(value[9], i);
            if (i % 7 != 0) continue;
            add_up(world, small, i);
            add_up(world, large, i);
        }
    });
    EXPECT_RANKS(2, [](Node& node) {
        // So many later a call has the same lower half, and what was posted in its slot is there.
        Communicator& world = node.world();
        add_up(world, small, 1);
        meet(node);
        group_of(world).skip_calls(all - 1);
        meet(node);
        if (node.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
        add_up(world, small, 2);
    });
}

/// Wherever memory runs out at one member.
TEST(Blocks, NobodyWaitsForAMemberThatFoundNoMemory) {
    EXPECT_RANKS(3, [](Node& node) {
        Communicator& world = node.world();
        for (int way = 0; way < 4; ++way) {
            const std::size_t count = way % 2 == 0 ? small : large;
            const bool begins = way >= 2;
            int failing = 1;
            for (int allowed = 0; failing != 0; ++allowed) {
                Communicator one = world.dup();
                std::vector<double> from(count, 1), to(count, -1);
                const ConstSegment source = std::as_bytes(std::span(from));
                const Segment result = std::as_writable_bytes(std::span(to));
                const Reduction sum(Op::sum, Type::float64);
                std::error_code error;
                test::FewAllocations few(node.rank() == 1 ? allowed : 1000);
                if (begins) {
                    try {
                        one.iallreduce(source, result, sum).wait(error);
                    } catch (const std::bad_alloc&) {
                        error = std::make_error_code(std::errc::not_enough_memory);
                    }
                } else {
                    one.allreduce(source, result, sum, error);
                }
                few.end();
                EXPECT_TRUE(!error || error == std::errc::not_enough_memory) << error.message();
                EXPECT_TRUE(error || to[count - 1] == 3.0);
                failing = few.were_too_few() ? 1 : 0;
                // At the latest the next call says so, and from then on all do.
                std::array<int, 2> told{failing, error ? 1 : 0};
                if (node.rank() == 1) {
                    world.send(told, 0);
                    world.send(told, 2);
                } else {
                    world.recv(told, 1);
                }
                failing = told[0];
                for (int again = 0; again < 2 && told[1] == 1; ++again) {
                    one.barrier(error);
                    EXPECT_EQ(error, std::errc::not_enough_memory) << error.message();
                }
                ASSERT_LT(allowed, 1000);
            }
        }
    });
}

/// Its next call would be taken for the one that it could not make.
TEST(Blocks, AMemberThatFoundNoMemoryIsNotMissedTwice) {
    EXPECT_RANKS(3, [](Node& node) {
        Communicator one = node.world().dup();
        if (node.rank() == 1) {
            const double value = 1;
            double result = 0;
            std::error_code error;
            test::FewAllocations none(0);
            one.allreduce(std::as_bytes(std::span(&value, 1)),
                          std::as_writable_bytes(std::span(&result, 1)), {Op::sum, Type::float64},
                          error);
            none.end();
            EXPECT_EQ(error, std::errc::not_enough_memory);
        }
        meet(node);
        const double value = 2;
        double result = 0;
        std::error_code error;
        one.allreduce(std::as_bytes(std::span(&value, 1)),
                      std::as_writable_bytes(std::span(&result, 1)), {Op::sum, Type::float64},
                      error);
        EXPECT_EQ(error, std::errc::not_enough_memory);
    });
}

/// When the job's memory is used up there is an error, and when it was given back there is none.
TEST(Blocks, AfterTheErrorThereIsMemoryAgain) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        std::array<std::size_t, 2> made{};
        for (std::size_t& count : made) {
            std::vector<Communicator> all;
            for (std::error_code error; !error;) {
                all.push_back(world.dup());
                std::vector<double> from(large, 1), to(large);
                all.back().allreduce(std::as_bytes(std::span(from)),
                                     std::as_writable_bytes(std::span(to)),
                                     {Op::sum, Type::float64}, error);
                EXPECT_TRUE(!error || error == std::errc::not_enough_memory) << error.message();
            }
            count = all.size();
        }
        EXPECT_GT(made[0], sizeof(void*) == 8 ? 50U : 20U);
        EXPECT_GE(made[1] + 2, made[0]);
    });
}

}  // namespace
}  // namespace onecopy
