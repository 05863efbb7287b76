// Reductions on a channel: right for every operation, type, size, number of members and mechanism;
// no hang and no wrong result when a member cannot, is slow, or ends.
#include "mpi/reduction.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "mpi/ranks.hpp"

namespace onecopy::mpi {
namespace {

using test::Ranks;

constexpr std::uint8_t untouched = 0xa5;

/// Values small enough that every type holds their sums and most products.
std::vector<std::byte> data_of(Type type, std::size_t count, int rank, unsigned seed) {
    std::vector<std::byte> bytes(count * size_of(type), std::byte{0});
    std::minstd_rand random(seed * 31 + static_cast<unsigned>(rank) + 1);
    const auto fill = [&]<class T>(T) {
        for (std::size_t i = 0; i < bytes.size() / sizeof(T); ++i) {
            const T value = static_cast<T>(random() % 5);
            std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
        }
    };
    switch (type) {
        case Type::float32:
        case Type::complex_float:
        case Type::float_float:
            fill(float{});
            break;
        case Type::float64:
        case Type::complex_double:
        case Type::double_double:
            // Sums that depend on the bracketing: only the right order gives the right bits.
            fill(double{});
            for (std::size_t i = 0; i < bytes.size() / sizeof(double); i += 3) {
                const double value = rank % 2 == 0 ? 1e16 : 1.0 / (rank + 3);
                std::memcpy(bytes.data() + i * sizeof(double), &value, sizeof(double));
            }
            // Of a number and a NaN, min and max give the right operand: so the order shows too.
            for (std::size_t i = 0; rank == 1 && i < bytes.size() / sizeof(double); i += 7) {
                const double value = std::numeric_limits<double>::quiet_NaN();
                std::memcpy(bytes.data() + i * sizeof(double), &value, sizeof(double));
            }
            break;
        case Type::long_double:
            for (std::size_t i = 0; i < count; ++i) {
                const long double value = static_cast<long double>(random() % 100) / 7;
                std::memcpy(bytes.data() + i * sizeof(value), &value, 10);
            }
            break;
        case Type::boolean:
        case Type::int8:
        case Type::uint8:
            fill(std::uint8_t{});
            if (type == Type::boolean) {
                for (std::byte& byte : bytes) byte &= std::byte{1};
            }
            break;
        case Type::int32:
        case Type::uint32:
        case Type::int_int:
        case Type::float_int:
            fill(std::int32_t{});
            break;
        default:
            fill(std::int64_t{});
            break;
    }
    return bytes;
}

/// What MPI asks for: ((0 op 1) op 2) op 3 ..., over whole arrays.
std::vector<std::byte> reference(Op op, Type type, std::size_t count, int ranks, unsigned seed) {
    std::vector<std::byte> result = data_of(type, count, 0, seed);
    for (int rank = 1; rank < ranks; ++rank) {
        const std::vector<std::byte> next = data_of(type, count, rank, seed);
        EXPECT_FALSE(combine(op, type, result.data(), next.data(), result.data(), count));
    }
    return result;
}

/// One operation for all ranks, and what the ranks differ in.
struct Round {
    Op op = Op::sum;
    Type type = Type::float64;
    std::size_t count = 0;
    int root = Reduction::everybody;
    unsigned in_place = 0;  ///< a bit for each rank
    unsigned seed = 0;
    std::size_t shift = 0;  ///< bytes by which the buffers miss their alignment
};

std::vector<int> everybody(int count) {
    std::vector<int> members(static_cast<std::size_t>(count));
    std::iota(members.begin(), members.end(), 0);
    return members;
}

/// The ranks of a machine, and the memory in which their channels meet.
class LocalJob : public Ranks {
public:
    explicit LocalJob(int count)
        : Ranks(count), count_(count), memory_(ChannelStore::bytes(count)) {}

    /// Each rank runs `body` with its view of the machine.
    void start(const std::function<void(Machine&, int rank)>& body) {
        Ranks::start([&](int rank) {
            std::vector<Process> peers;
            for (int i = 0; i < count_; ++i) {
                peers.push_back(i == rank ? Process::self() : Process(board().pids[i]));
            }
            const ChannelStore store({static_cast<std::byte*>(memory_.data()), memory_.size()},
                                     count_);
            Machine here(store, std::move(peers), rank);
            body(here, rank);
        });
    }

    /// The same with a reducer of all ranks on the first channel.
    void reduce(const std::function<void(Machine&, Reducer&, int rank)>& body) {
        start([&](Machine& here, int rank) {
            Reducer reducer(here, {0, 0}, everybody(count_), rank);
            body(here, reducer, rank);
        });
    }

    /// All ranks ended well.
    void expect_success() {
        EXPECT_EQ(finish(), std::vector<int>(static_cast<std::size_t>(count_), 0));
    }

private:
    int count_;
    test::SharedMemory memory_;
};

/// `count` doubles, for all ranks.
Reduction of_doubles(Op op, std::size_t count, const double* source, double* result) {
    Reduction reduction{op, Type::float64, count};
    reduction.source = reinterpret_cast<const std::byte*>(source);
    reduction.result = reinterpret_cast<std::byte*>(result);
    return reduction;
}

/// Runs it; empty if the result is right and nothing else was touched, else what is wrong.
std::string run(Reducer& reducer, const Round& round) {
    const int rank = reducer.channel().rank();
    const int ranks = reducer.channel().size();
    const std::size_t bytes = round.count * size_of(round.type);
    const std::vector<std::byte> mine = data_of(round.type, round.count, rank, round.seed);
    std::vector<std::byte> source(bytes + round.shift);
    std::vector<std::byte> result(bytes + round.shift + 64, std::byte{untouched});
    std::copy(mine.begin(), mine.end(), source.begin() + static_cast<long>(round.shift));
    const bool gets = round.root == Reduction::everybody || round.root == rank;
    const bool in_place = gets && (round.in_place >> rank & 1) != 0;

    Reduction reduction{round.op, round.type, round.count, round.root};
    reduction.result = gets ? result.data() + round.shift : nullptr;
    reduction.source = source.data() + round.shift;
    if (in_place) {
        std::copy(mine.begin(), mine.end(), result.begin() + static_cast<long>(round.shift));
        reduction.source = reduction.result;
    }
    if (reducer.run(reduction) != Outcome::done) {
        return "not done: " + reducer.error().message();
    }
    if (!std::equal(mine.begin(), mine.end(), source.begin() + static_cast<long>(round.shift))) {
        return "the source was changed";
    }
    const std::size_t end = gets ? round.shift + bytes : 0;
    for (std::size_t i = 0; i < result.size(); ++i) {
        const bool ours = i >= round.shift && i < end;
        if (!ours && result[i] != std::byte{untouched}) return "written beyond the result";
    }
    if (!gets) return {};
    const auto right = reference(round.op, round.type, round.count, ranks, round.seed);
    if (std::memcmp(right.data(), result.data() + round.shift, bytes) != 0) {
        return "wrong result";
    }
    return {};
}

void expect_right(int count, const std::vector<Round>& rounds, unsigned refuse_every) {
    LocalJob job(count);
    job.reduce([&](Machine& here, Reducer& reducer, int rank) {
        here.refuse_every = refuse_every;
        for (std::size_t i = 0; i < rounds.size(); ++i) {
            const std::string wrong = run(reducer, rounds[i]);
            if (wrong.empty()) continue;
            job.note(rank, static_cast<std::int64_t>(i), wrong);
            ::_exit(1);
        }
    });
    const std::vector<int> statuses = job.finish();
    for (int rank = 0; rank < count; ++rank) {
        ASSERT_EQ(statuses[static_cast<std::size_t>(rank)], 0)
            << "rank " << rank << ", round " << job.number(rank) << ": " << job.text(rank);
    }
}

class ReductionOf : public ::testing::TestWithParam<int> {};

std::vector<Round> random_rounds(int ranks, unsigned seed, std::size_t number) {
    static constexpr Type types[] = {
        Type::int8,    Type::int32,       Type::uint64,        Type::float32,
        Type::float64, Type::long_double, Type::complex_float, Type::complex_double,
        Type::boolean, Type::int_int,     Type::float_float,   Type::double_double,
    };
    static constexpr Op ops[] = {Op::sum,  Op::prod, Op::min, Op::max,  Op::land,   Op::lor,
                                 Op::lxor, Op::band, Op::bor, Op::bxor, Op::minloc, Op::maxloc};
    std::mt19937 random(seed);
    std::vector<Round> rounds;
    while (rounds.size() < number) {
        Round round;
        round.type = types[random() % std::size(types)];
        round.op = ops[random() % std::size(ops)];
        if (!allowed(round.op, round.type)) continue;
        // From one element to several times what the rings hold.
        const std::size_t most = (std::size_t{1} << (random() % 22)) / size_of(round.type);
        round.count = 1 + random() % std::max<std::size_t>(most, 1);
        round.root = static_cast<int>(random() % static_cast<unsigned>(ranks + 2)) - 2;
        if (round.root == -2) round.root = Reduction::everybody;
        round.in_place = static_cast<unsigned>(random());
        round.seed = static_cast<unsigned>(random());
        round.shift = random() % 2 == 0 ? 0 : random() % 64;
        rounds.push_back(round);
    }
    return rounds;
}

TEST_P(ReductionOf, RandomArraysIsWhatMpiAsksForToTheBit) {
    expect_right(GetParam(), random_rounds(GetParam(), 1, 60), 0);
}

TEST_P(ReductionOf, MemoryThatCannotBeReadIsServedByItsOwner) {
    expect_right(GetParam(), random_rounds(GetParam(), 2, 40), 3);
}

INSTANTIATE_TEST_SUITE_P(Members, ReductionOf, ::testing::Values(2, 3, 4, 7));

TEST(ReductionTest, FarMoreThanTheRingHoldsArrivesWhole) {
    // 20 tiles a member, and members that are slow in turns: places are reused while others read.
    const std::size_t count = 3 * 20 * ChannelStore::tile_bytes / sizeof(double);
    expect_right(3,
                 {{Op::sum, Type::float64, count, -1, 0, 1, 0},
                  {Op::sum, Type::float64, count, 2, 0, 2, 0},
                  {Op::sum, Type::float64, count, -1, 7, 3, 16}},
                 0);
}

TEST(ReductionTest, WhatOneMemberCannotDoAllDecline) {
    LocalJob job(3);
    job.reduce([](Machine&, Reducer& reducer, int rank) {
        const double value = 1;
        double result = -1;
        Reduction reduction = of_doubles(Op::sum, 1, &value, &result);
        for (int round = 0; round < 100; ++round) {
            reduction.veto = round % 3 == rank && round % 2 == 0;
            const Outcome expected = round % 2 == 0 ? Outcome::declined : Outcome::done;
            if (reducer.run(reduction) != expected) throw 0;
            if (result != (round == 0 ? -1 : 3)) throw 0;
        }
    });
    job.expect_success();
}

TEST(ReductionTest, MembersThatDisagreeAllDecline) {
    LocalJob job(3);
    job.reduce([](Machine&, Reducer& reducer, int rank) {
        const std::vector<double> source(200, 1);
        std::vector<double> result(200);
        Reduction reduction = of_doubles(Op::sum, 100, source.data(), result.data());
        if (rank == 1) reduction.count = 200;
        if (reducer.run(reduction) != Outcome::declined) throw 0;
        reduction.count = 100;
        reduction.op = rank == 2 ? Op::prod : Op::sum;
        if (reducer.run(reduction) != Outcome::declined) throw 0;
        reduction.op = Op::sum;
        if (reducer.run(reduction) != Outcome::done || result[99] != 3) throw 0;
    });
    job.expect_success();
}

TEST(ReductionTest, AMemberThatEndsIsAnErrorForAllOthers) {
    for (int killed = 0; killed < 3; ++killed) {
        LocalJob job(3);
        job.reduce([&](Machine&, Reducer& reducer, int rank) {
            const Round round{Op::sum, Type::float64, 100'000, -1, 0, 1, 0};
            if (!run(reducer, round).empty()) throw 0;
            if (rank == killed) ::raise(SIGKILL);
            std::vector<double> data(100'000);
            const Reduction reduction = of_doubles(Op::sum, data.size(), data.data(), data.data());
            if (reducer.run(reduction) != Outcome::failed) throw 0;
            if (reducer.error().value() != ESRCH) throw 0;
            if (reducer.channel().lost() != killed) throw 0;
            // And for ever after.
            if (reducer.run(reduction) != Outcome::failed) throw 0;
        });
        std::vector<int> expected(3, 0);
        expected[static_cast<std::size_t>(killed)] = -1;
        EXPECT_EQ(job.finish(), expected);
    }
}

TEST(ReductionTest, AMemberKilledInTheMiddleLeavesNobodyWaiting) {
    // Killed from outside at some point of a loop: the others end with an error, or were through.
    for (int round = 0; round < 10; ++round) {
        LocalJob job(3);
        job.reduce([&](Machine&, Reducer& reducer, int) {
            std::vector<double> data(300'000, 1);
            const Reduction reduction = of_doubles(Op::max, data.size(), data.data(), data.data());
            for (;;) {
                if (reducer.run(reduction) == Outcome::failed) return;
                job.board().flags[0].fetch_add(1);
            }
        });
        Ranks::until([&] { return job.board().flags[0].load() > 10; });
        std::this_thread::sleep_for(std::chrono::microseconds(137 * round));
        ::kill(job.pid(1), SIGKILL);
        EXPECT_EQ(job.finish(), (std::vector<int>{0, -1, 0}));
    }
}

TEST(ReductionTest, AMemberThatGivesUpIsAnErrorForTheOthersThoughItLives) {
    LocalJob job(3);
    job.start([&](Machine& here, int rank) {
        Channel channel(here, {0, 0}, everybody(3), rank);
        channel.publish({}, {});
        if (channel.await(Stage::published)) throw 0;
        if (rank == 1) {
            channel.abandon();
        } else if (channel.await_produced(1, 1).value() != ESRCH || channel.lost() != 1) {
            throw 0;
        }
        job.meet(0);  // it stays alive until all have noticed
    });
    job.expect_success();
}

TEST(ReductionTest, AStoppedMemberIsWaitedForAndNotGivenUp) {
    LocalJob job(2);
    job.reduce([&](Machine&, Reducer& reducer, int rank) {
        job.meet(0);
        if (rank == 1) ::raise(SIGSTOP);
        if (!run(reducer, {Op::sum, Type::float64, 1000, -1, 0, 1, 0}).empty()) throw 0;
    });
    // Long enough that rank 0 sleeps and has looked for the dead several times.
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    ::kill(job.pid(1), SIGCONT);
    job.expect_success();
}

/// What rank 0 of the test below does while it waits.
struct SlowWait {
    static inline const Ranks* ranks = nullptr;
    static inline const Process* leaver = nullptr;
    static inline int calls = 0;

    static void progress() {
        // The first look at the clock is behind us: the next one finds that it is time to look for
        // the dead, among whom there is one who was through.
        if (++calls != 2) return;
        ranks->board().flags[0].store(1);
        leaver->wait_for_death(std::chrono::seconds(50));
        std::this_thread::sleep_for(std::chrono::milliseconds(60));
    }
};

TEST(ReductionTest, AMemberThatIsThroughMayEndWhileAnotherHasNotNoticed) {
    // One element: rank 2, the root, produces it; the others only stay until it has.
    LocalJob job(3);
    job.reduce([&](Machine& here, Reducer& reducer, int rank) {
        SlowWait::ranks = &job;
        SlowWait::leaver = &here.peers[1];
        if (rank == 0) here.progress = SlowWait::progress;
        if (rank == 2) Ranks::until([&] { return job.board().flags[0].load() == 1; });
        if (!run(reducer, {Op::sum, Type::int32, 1, 2, 0, 1, 0}).empty()) throw 0;
    });
    job.expect_success();
}

TEST(ReductionTest, TwoChannelsInTwoThreadsDoNotDisturbEachOther) {
    LocalJob job(2);
    job.start([](Machine& here, int rank) {
        std::atomic<int> wrong{0};
        const auto work = [&](int channel) {
            Reducer reducer(here, {channel, 0}, everybody(2), rank);
            for (const Round& round : random_rounds(2, static_cast<unsigned>(channel) + 5, 30)) {
                if (!run(reducer, round).empty()) wrong.fetch_add(1);
            }
        };
        std::thread other(work, 1);
        work(0);
        other.join();
        if (wrong.load() != 0) throw 0;
    });
    job.expect_success();
}

TEST(ReductionTest, AChannelThatWasGivenBackServesItsNextUsers) {
    // The same channel by turns for all three, for two of them in another order, and for all again.
    LocalJob job(3);
    job.start([&](Machine& here, int rank) {
        Lease lease{0, 0};
        const auto use = [&](std::string_view names, int meeting) {
            std::vector<int> members;
            for (const char name : names) members.push_back(name - '0');
            const auto at = std::find(members.begin(), members.end(), rank);
            if (at != members.end()) {
                Reducer reducer(here, lease, members, static_cast<int>(at - members.begin()));
                for (unsigned i = 0; i < 5; ++i) {
                    const Round round{Op::sum, Type::int32, 70'000, i % 2 == 0 ? -1 : 1, 0, i, 0};
                    if (!run(reducer, round).empty()) throw 0;
                }
                lease.base = reducer.channel().next_base();
            }
            job.meet(meeting);
            if (at == members.end()) lease.base += 10;  // as the store would tell it
        };
        use("012", 0);
        use("20", 1);
        use("120", 2);
    });
    job.expect_success();
}

TEST(ReductionTest, AnOwnerServesNothingButWhatItOffered) {
    LocalJob job(2);
    job.start([&](Machine& here, int rank) {
        here.refuse_every = 1;
        Channel channel(here, {0, 0}, everybody(2), rank);
        std::vector<std::byte> secret(64, std::byte{9});
        std::vector<std::byte> offered(64, std::byte{4});
        const Offer offer{reinterpret_cast<std::uintptr_t>(offered.data()), 64, 0, 0};
        channel.publish(offer, offered);
        if (channel.await(Stage::published)) throw 0;
        const std::uint64_t theirs = channel.offer(1 - rank).source;
        std::vector<std::byte> got(64);
        if (channel.fetch(1 - rank, theirs, got) || got != offered) throw 0;
        // One byte beyond, on either side, and far away.
        for (const std::uint64_t wrong : {theirs + 1, theirs - 1, theirs + (1U << 20)}) {
            if (channel.fetch(1 - rank, wrong, got).value() != EFAULT) throw 0;
        }
        channel.reach(Stage::done);
        if (channel.await(Stage::done)) throw 0;
    });
    job.expect_success();
}

RC_GTEST_PROP(Slices, CoverEveryElementOnceAndCutNone, ()) {
    const int members = *rc::gen::inRange(1, 130);
    const std::size_t element = std::size_t{1} << *rc::gen::inRange(0, 6);
    const std::size_t bytes = *rc::gen::inRange<std::size_t>(0, 1 << 22) * element;
    std::size_t at = 0;
    for (int rank = 0; rank < members; ++rank) {
        const Slice slice = slice_of(bytes, members, rank);
        RC_ASSERT(slice.begin == at);
        RC_ASSERT(slice.end >= slice.begin);
        RC_ASSERT(slice.bytes() % element == 0U);
        std::size_t in_tiles = 0;
        for (std::uint64_t tile = 0; tile < slice.tiles(); ++tile) {
            RC_ASSERT(slice.tile(tile).begin == slice.begin + in_tiles);
            RC_ASSERT(slice.tile(tile).bytes() > 0U);
            RC_ASSERT(slice.tile(tile).bytes() <= ChannelStore::tile_bytes);
            in_tiles += slice.tile(tile).bytes();
        }
        RC_ASSERT(in_tiles == slice.bytes());
        RC_ASSERT(slice.tile(slice.tiles()).bytes() == 0U);
        at = slice.end;
    }
    RC_ASSERT(at == bytes);
}

}  // namespace
}  // namespace onecopy::mpi
