// What goes wrong in collective calls: ranks that die, leave, disagree, or are stopped.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "helpers.hpp"
#include "onecopy/communicator.hpp"
#include "ranks.hpp"
#include "support/child.hpp"

namespace onecopy {
namespace {

using test::bytes_of;
using test::Flag;
using test::Ranks;

int rounds(int few) {
    const char* const more = std::getenv("ONECOPY_ROUNDS");
    return few * (more != nullptr ? std::max(1, std::atoi(more)) : 1);
}

/// Calls of all kinds and sizes until one is an error, which is returned. Checks what it can.
std::error_code traffic(Node& node, unsigned seed, bool in_arena) {
    Communicator& world = node.world();
    std::pmr::vector<double> from(in_arena ? &node.arena() : std::pmr::new_delete_resource());
    std::pmr::vector<double> to(from.get_allocator()), all(from.get_allocator());
    std::error_code error;
    const auto ranks = static_cast<std::size_t>(world.size());
    for (unsigned call = seed; !error; ++call) {
        constexpr std::size_t sizes[] = {1, 100, 3000, 40'000, 200'000};
        const std::size_t count = sizes[call % 5];
        from.assign(count, 1);
        to.assign(count, -1);
        all.assign(count * ranks, -1);
        const ConstSegment source = std::as_bytes(std::span(from));
        const Segment result = std::as_writable_bytes(std::span(to));
        const Segment whole = std::as_writable_bytes(std::span(all));
        const Reduction sum(Op::sum, Type::float64);
        const int root = static_cast<int>(call % static_cast<unsigned>(ranks));
        switch (call % 7) {
            case 0:
                world.barrier(error);
                break;
            case 1:
                world.bcast(result, root, error);
                break;
            case 2:
                world.allgather(source, whole, error);
                break;
            case 3:
                world.alltoall(whole, std::as_writable_bytes(std::span(all)), error);
                break;
            case 4:
                world.reduce(source, result, sum, root, error);
                break;
            case 5:
                world.iallreduce(source, result, sum).wait(error);
                break;
            default:
                world.allreduce(source, result, sum, error);
                EXPECT_TRUE(error || to[count / 2] == static_cast<double>(ranks));
        }
    }
    return error;
}

TEST(CollectiveTroubles, ADeathAtAnyMomentIsAnErrorForAllTheOthers) {
    std::mt19937 random(7);
    // Who is killed before it joins is its launcher's affair.
    void* const shared =
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(shared, MAP_FAILED);
    auto& come = *new (shared) std::atomic<int>(0);
    for (int round = 0; round < rounds(20); ++round) {
        const int ranks = 2 + round % 4;
        const auto victim = static_cast<int>(random() % static_cast<unsigned>(ranks));
        const bool arena = round % 2 == 0;
        come = 0;
        Ranks job(ranks, [&, round](Node& node) {
            ++come;
            const std::error_code error = traffic(node, static_cast<unsigned>(round) * 11, arena);
            EXPECT_EQ(error, Errc::peer_died) << error.message();
        });
        ASSERT_TRUE(test::eventually([&] { return come == ranks; }));
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));
        ::kill(job.pid(victim), SIGKILL);
        std::vector<int> survivors;
        for (int rank = 0; rank < ranks; ++rank) {
            if (rank != victim) survivors.push_back(rank);
        }
        ASSERT_TRUE(job.wait().all_right(survivors)) << "round " << round;
    }
    ::munmap(shared, 4096);
}

/// Whoever has the error has its memory to itself.
TEST(CollectiveTroubles, NobodyTouchesMemoryAfterTheError) {
    for (int round = 0; round < rounds(10); ++round) {
        Ranks job(4, [round](Node& node) {
            Communicator& world = node.world();
            std::pmr::vector<double> from(500'000, 1.0, &node.arena()), to(from, &node.arena());
            std::error_code error;
            world.barrier();
            for (int call = 0; !error; ++call) {
                if (world.rank() == 3 && call == round) {
                    std::this_thread::sleep_for(std::chrono::microseconds(300));
                    test::die();
                }
                world.allreduce(std::as_bytes(std::span(from)),
                                std::as_writable_bytes(std::span(to)), {Op::sum, Type::float64},
                                error);
            }
            EXPECT_EQ(error, Errc::peer_died);
            std::fill(to.begin(), to.end(), 5.0);
            std::this_thread::sleep_for(std::chrono::milliseconds(30));
            EXPECT_TRUE(std::all_of(to.begin(), to.end(), [](double x) { return x == 5.0; }));
        });
        ASSERT_TRUE(job.wait().all_right({0, 1, 2}));
    }
}

/// What ranks do when they are first asked to combine: 0 stays in it, and then 2 dies.
struct Halt {
    int rank = 0;
    const Flag *in = nullptr, *go_on = nullptr;
    bool over = false;
};
void sum_and_halt(const void* left, const void* right, void* result, std::size_t count,
                  void* context) {
    Halt& halt = *static_cast<Halt*>(context);
    if (halt.rank == 2) {
        EXPECT_TRUE(test::eventually([&] { return halt.in->is_up(); }));
        test::die();
    }
    if (halt.rank == 0 && !halt.over) {
        halt.over = true;
        halt.in->raise();
        // It comes only if others do not wait for this rank; they are given some time for it.
        for (int i = 0; i < 200 && !halt.go_on->is_up(); ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        static_cast<double*>(result)[i] =
            static_cast<const double*>(left)[i] + static_cast<const double*>(right)[i];
    }
}

/// Memory of a call that is over belongs to its rank: what 1 writes then stays until 0 is done,
/// too.
void expect_own(std::span<double> memory, int rank, const Flag& over_at_1, const Flag& over_at_0) {
    std::fill(memory.begin(), memory.end(), 5.0);
    if (rank == 0) {
        over_at_0.raise();
    } else {
        over_at_1.raise();
        EXPECT_TRUE(test::eventually([&] { return over_at_0.is_up(); }));
    }
    EXPECT_TRUE(std::all_of(memory.begin(), memory.end(), [](double x) { return x == 5.0; }));
}

/// 0 makes a part of everybody's result, and is still at it when 1 hears that 2 is dead.
TEST(CollectiveTroubles, WhoHearsOfADeathWaitsForWhoeverIsInItsMemory) {
    const Flag in, go_on, done;
    Ranks job(3, [&](Node& node) {
        Communicator& world = node.world();
        Halt halt{node.rank(), &in, &go_on};
        std::pmr::vector<double> from(30'000, 1.0, &node.arena()), to(from, &node.arena());
        world.barrier();
        std::error_code error;
        world.allreduce(bytes_of(from), bytes_of(to),
                        Reduction(Function{sum_and_halt, sizeof(double), &halt}), error);
        EXPECT_EQ(error, Errc::peer_died) << error.message();
        expect_own(to, node.rank(), go_on, done);
    });
    EXPECT_TRUE(job.wait().all_right({0, 1}));
}

/// 2 has come and died; 1 has heard of it and gone away with the error; then 0 comes, and finds
/// that all have come.
TEST(CollectiveTroubles, WhoComesLastTouchesNobodysMemoryWhoHasTheError) {
    const Flag gone, done;
    Ranks job(3, [&](Node& node) {
        Communicator& world = node.world();
        std::pmr::vector<double> from(30'000, 1.0, &node.arena()), to(from, &node.arena());
        const Reduction sum(Op::sum, Type::float64);
        // The arenas of all are known from now on, that of a dead one, too.
        world.allreduce(bytes_of(from), bytes_of(to), sum);
        std::error_code error;
        if (node.rank() == 2) {
            const Request begun = world.iallreduce(bytes_of(from), bytes_of(to), sum);
            test::die();
        }
        if (node.rank() == 0) {
            EXPECT_TRUE(test::eventually([&] { return gone.is_up(); }));
        }
        world.allreduce(bytes_of(from), bytes_of(to), sum, error);
        EXPECT_EQ(error, Errc::peer_died) << error.message();
        expect_own(to, node.rank(), gone, done);
    });
    EXPECT_TRUE(job.wait().all_right({0, 1}));
}

TEST(CollectiveTroubles, WhoHasSeenAFailureIsNotWaitedForInLaterCalls) {
    for (const std::size_t count : {std::size_t{1}, std::size_t{30'000}}) {
        EXPECT_RANKS(3, [count](Node& node) {
            Communicator& world = node.world();
            std::vector<double> memory(count + 1), to(count);
            std::error_code error;
            // The root looks at nobody.
            world.bcast(bytes_of(memory).first(8 * (node.rank() == 1 ? 2 : 1)), 0, error);
            EXPECT_EQ(node.rank() == 1, error == Errc::mismatch) << error.message();
            world.allreduce(bytes_of(memory).first(8 * count), bytes_of(to),
                            {Op::sum, Type::float64}, error);
            EXPECT_EQ(error, Errc::mismatch) << error.message();
            test::meet(world);
        });
    }
}

TEST(CollectiveTroubles, AStoppedRankIsWaitedFor) {
    Ranks job(3, [](Node& node) {
        std::vector<double> from(100'000, 1.0), to(from);
        for (int call = 0; call < 200; ++call) node.world().allreduce(from, to, Op::sum);
        EXPECT_EQ(to[7], 3.0);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ::kill(job.pid(1), SIGSTOP);
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    ::kill(job.pid(1), SIGCONT);
    EXPECT_TRUE(job.wait().all_right());
}

TEST(CollectiveTroubles, WhoLeavesEarlyHasDoneItsPart) {
    EXPECT_RANKS(3, [](Node& node) {
        std::vector<int> value(10, node.rank() == 0 ? 42 : 0);
        node.world().bcast(value, 0);
        EXPECT_EQ(value[9], 42);
        if (node.rank() == 0) return;
        std::error_code error;
        node.world().barrier(error);
        EXPECT_EQ(error, Errc::peer_left) << error.message();
    });
}

TEST(CollectiveTroubles, RanksThatDisagreeAreTold) {
    for (const std::size_t count : {std::size_t{10}, std::size_t{100'000}}) {
        EXPECT_RANKS(3, [=](Node& node) {
            // One of them has an element more.
            const std::size_t own = count + (node.rank() == 1 ? 1 : 0);
            std::vector<double> from(own), to(own);
            std::error_code error;
            node.world().allreduce(std::as_bytes(std::span(from)),
                                   std::as_writable_bytes(std::span(to)), {Op::sum, Type::float64},
                                   error);
            EXPECT_EQ(error, Errc::mismatch) << error.message();
            // And from then on.
            node.world().barrier(error);
            EXPECT_EQ(error, Errc::mismatch) << error.message();
        });
    }
    EXPECT_RANKS(2, [](Node& node) {
        std::vector<double> memory(10);
        std::error_code error;
        if (node.rank() == 0) {
            node.world().barrier(error);
        } else {
            node.world().allreduce(std::as_bytes(std::span(memory)),
                                   std::as_writable_bytes(std::span(memory)),
                                   {Op::sum, Type::float64}, error);
        }
        EXPECT_EQ(error, Errc::mismatch) << error.message();
    });
}

/// In nothing but the root, the operation, the type or the collective, and in no number of bytes.
TEST(CollectiveTroubles, RanksThatDisagreeInOneThingAreTold) {
    using Make = void (*)(Communicator&, bool, Segment, Segment, std::error_code&);
    const Make all[] = {
        [](Communicator& world, bool other, Segment from, Segment to, std::error_code& error) {
            world.reduce(from, to, {Op::sum, Type::int64}, other ? 2 : 0, error);
        },
        [](Communicator& world, bool other, Segment from, Segment to, std::error_code& error) {
            world.allreduce(from, to, {other ? Op::max : Op::sum, Type::int64}, error);
        },
        [](Communicator& world, bool other, Segment from, Segment to, std::error_code& error) {
            world.allreduce(from, to, {Op::sum, other ? Type::int32 : Type::int64}, error);
        },
        [](Communicator& world, bool other, Segment from, Segment to, std::error_code& error) {
            const Reduction sum(Op::sum, Type::int64);
            other ? world.scan(from, to, sum, error) : world.allreduce(from, to, sum, error);
        },
    };
    for (const Make make : all) {
        for (const std::size_t count : {std::size_t{10}, std::size_t{30'000}}) {
            EXPECT_RANKS(3, [=](Node& node) {
                std::vector<std::int64_t> from(count), to(count);
                std::error_code error;
                make(node.world(), node.rank() == 1, bytes_of(from), bytes_of(to), error);
                // Small calls look at whom they need, and here 0 needs all; or in the next call.
                if (!error) node.world().barrier(error);
                EXPECT_EQ(error, Errc::mismatch) << error.message();
                test::meet(node.world());
            });
        }
    }
}

TEST(CollectiveTroubles, WhatAllGetWrongHarmsNobody) {
    EXPECT_RANKS(3, [](Node& node) {
        Communicator& world = node.world();
        std::vector<double> one(9), two(10);
        const auto bytes = [](std::vector<double>& list) {
            return std::as_writable_bytes(std::span(list));
        };
        std::error_code error;
        const Reduction sum(Op::sum, Type::float64);
        world.allreduce(bytes(one), bytes(two), sum, error);
        EXPECT_EQ(error, std::errc::invalid_argument);
        world.allreduce(bytes(one), bytes(one), {Op::band, Type::float64}, error);
        EXPECT_EQ(error, std::errc::invalid_argument);
        world.allreduce(bytes(one).first(7), bytes(one).first(7), sum, error);
        EXPECT_EQ(error, std::errc::invalid_argument);
        world.bcast(bytes(one), 3, error);
        EXPECT_EQ(error, Errc::bad_rank);
        world.bcast(bytes(one), -1, error);
        EXPECT_EQ(error, Errc::bad_rank);
        world.allgather(bytes(one), bytes(two), error);
        EXPECT_EQ(error, std::errc::invalid_argument);
        world.alltoall(bytes(two), bytes(two), error);
        EXPECT_EQ(error, std::errc::invalid_argument);
        for (int call = 0; call < 20; ++call) world.bcast(bytes(one), 3, error);
        one.assign(9, 1.0);
        two.assign(9, 0.0);
        world.allreduce(one, two, Op::sum);
        EXPECT_EQ(two[8], 3.0);
    });
}

TEST(CollectiveTroubles, WhatOneGetsWrongLeavesNobodyWaiting) {
    EXPECT_RANKS(3, [](Node& node) {
        std::vector<double> from(9), to(9);
        std::error_code error;
        const Segment result = std::as_writable_bytes(std::span(to));
        node.world().allreduce(std::as_bytes(std::span(from)),
                               node.rank() == 2 ? result.first(8) : result,
                               {Op::sum, Type::float64}, error);
        if (node.rank() == 2) {
            EXPECT_EQ(error, std::errc::invalid_argument);
        } else {
            EXPECT_EQ(error, Errc::mismatch) << error.message();
        }
    });
}

}  // namespace
}  // namespace onecopy
