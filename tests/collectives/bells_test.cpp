// Whoever sleeps in a call is rung by whatever it sleeps for. Ranks also wake up by themselves from
// time to time, which would hide a bell that nobody rings; here their naps have no end.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <memory_resource>
#include <random>
#include <string>
#include <vector>

#include "helpers.hpp"
#include "node/endpoint.hpp"
#include "onecopy/communicator.hpp"
#include "ranks.hpp"
#include "support/child.hpp"

namespace onecopy {
namespace {

using test::bytes_of;
using test::Flag;
using test::never_wake_up_by_yourself;

/// Whether it has come to a call, and sleeps in it. (Before it came it may have slept in another.)
bool sleeps(Node& node, int rank, const Flag& come, int to = 1) {
    return come.is_up(to) &&
           node.endpoint().memory().line(rank).bell.asleep.load(std::memory_order_seq_cst) != 0;
}

constexpr int slots = 8;  // calls that may be begun before everybody has finished the first of them

TEST(CollectiveBells, WhoWaitsForASlotIsRungByTheEndOfABarrier) {
    const Flag begun, ninth, through;
    EXPECT_RANKS(2, [&](Node& node) {
        Communicator& world = node.world();
        world.barrier();
        never_wake_up_by_yourself(node);
        std::array<int, 1> word{};
        if (node.rank() == 0) {
            EXPECT_TRUE(test::eventually([&] { return begun.is_up(); }));
            world.barrier();
            // The root of a bcast waits for nobody, but for a slot.
            for (int i = 0; i < slots - 1; ++i) world.bcast(bytes_of(word), 0);
            ninth.raise();
            world.bcast(bytes_of(word), 0);
            through.raise();
        } else {
            Request barrier = world.ibarrier();
            begun.raise();
            // It goes no further on its own, and is not over before 0 comes.
            EXPECT_TRUE(test::eventually([&] { return sleeps(node, 0, ninth); }));
            barrier.wait();
            // And nothing else that could ring.
            EXPECT_TRUE(test::eventually([&] { return through.is_up(); }));
            for (int i = 0; i < slots; ++i) world.bcast(bytes_of(word), 0);
        }
    });
}

/// One behind the other each rank is the last, for whom 0 sleeps.
void come_one_by_one(bool arena, std::size_t count) {
    const Flag come;
    EXPECT_RANKS(4, [&](Node& node) {
        Communicator& world = node.world();
        auto* const memory = arena ? &node.arena() : std::pmr::new_delete_resource();
        std::pmr::vector<double> from(count, 1.0, memory), to(count, memory);
        world.allreduce(from, to, Op::sum);
        never_wake_up_by_yourself(node);
        // In a small scan 0 waits for nobody.
        for (int call = 0; call < (count > 1000 ? 6 : 3); ++call) {
            if (node.rank() == 0) come.raise(call + 1);
            if (node.rank() == 1 + call % 3) {
                EXPECT_TRUE(test::eventually([&] { return sleeps(node, 0, come, call + 1); }));
            }
            if (call < 3) {
                world.allreduce(from, to, Op::sum);
                EXPECT_EQ(to[2], 4.0);
            } else {
                // Here who comes last waits for 0.
                world.scan(bytes_of(from), bytes_of(to), {Op::sum, Type::float64});
                EXPECT_EQ(to[2], 1.0 + node.rank());
            }
        }
    });
}
TEST(CollectiveBells, WhoSleepsIsRungByTheLastToComeToASmallCall) { come_one_by_one(false, 3); }
TEST(CollectiveBells, WhoSleepsIsRungByTheLastToComeToALargeCall) {
    come_one_by_one(false, 30'000);
}
TEST(CollectiveBells, WhoSleepsIsRungByTheLastToComeToACallOnArenas) {
    come_one_by_one(true, 30'000);
}

TEST(CollectiveBells, WhoSleepsForSeveralCallsIsRungForEachOfThem) {
    for (const int first : {1, 2}) {
        const Flag come, got;
        EXPECT_RANKS(3, [&](Node& node) {
            Communicator& world = node.world();
            world.barrier();
            never_wake_up_by_yourself(node);
            std::array<int, 1> of_1{node.rank()}, of_2{node.rank()};
            // 0 sleeps for both of the others, and 1 and 2 come in this order or in the other.
            if (node.rank() == 0) {
                come.raise();
            } else if (node.rank() == first) {
                EXPECT_TRUE(test::eventually([&] { return sleeps(node, 0, come); }));
            } else {
                EXPECT_TRUE(test::eventually([&] { return got.is_up(); }));
            }
            std::vector<Request> requests;
            requests.push_back(world.ibcast(bytes_of(of_1), 1));
            requests.push_back(world.ibcast(bytes_of(of_2), 2));
            if (node.rank() == 0) {
                requests[static_cast<std::size_t>(first - 1)].wait();
                got.raise();
            } else if (node.rank() == first) {
                EXPECT_TRUE(test::eventually([&] { return got.is_up(); }));
            }
            wait_all(requests);
            EXPECT_EQ(of_1[0], 1);
            EXPECT_EQ(of_2[0], 2);
        });
    }
}

TEST(CollectiveBells, WhoSleepsIsRungByACallThatIsAnother) {
    for (const bool large : {false, true}) {
        const Flag first, second;
        EXPECT_RANKS(3, [&](Node& node) {
            Communicator& world = node.world();
            world.barrier();
            never_wake_up_by_yourself(node);
            std::vector<double> from(large ? 30'000 : 3, 1.0), to(from);
            std::error_code error;
            if (node.rank() == 2) {
                EXPECT_TRUE(test::eventually(
                    [&] { return sleeps(node, 0, first) && sleeps(node, 1, second); }));
                world.allreduce(bytes_of(from).first(8), bytes_of(to).first(8),
                                {Op::max, Type::float64}, error);
            } else {
                (node.rank() == 0 ? first : second).raise();
                world.allreduce(bytes_of(from), bytes_of(to), {Op::sum, Type::float64}, error);
            }
            EXPECT_EQ(error, Errc::mismatch) << error.message();
        });
    }
}

TEST(CollectiveBells, WhoSleepsIsRungByAFailureInAnEarlierCall) {
    const Flag come;
    EXPECT_RANKS(3, [&](Node& node) {
        Communicator& world = node.world();
        world.barrier();
        never_wake_up_by_yourself(node);
        std::array<int, 2> words{};
        std::error_code error;
        if (node.rank() == 1) {
            EXPECT_TRUE(test::eventually([&] { return sleeps(node, 0, come); }));
            world.bcast(bytes_of(words), 2, error);
            EXPECT_EQ(error, Errc::mismatch) << error.message();
        } else {
            // Of these two alone nothing is wrong; and 1 will not be the root of a call any more.
            world.bcast(bytes_of(words).first(4), 2, error);
            EXPECT_FALSE(error) << error.message();
            if (node.rank() == 0) {
                come.raise();
                world.bcast(bytes_of(words), 1, error);
                EXPECT_EQ(error, Errc::mismatch) << error.message();
            }
        }
        test::meet(world);
    });
}

/// Calls drawn at random, the same ones at all ranks, and what each must have given.
class RandomCalls {
public:
    struct Kind {
        bool arena = false;
        bool requests = false;  // many outstanding, waited for in different orders
        std::size_t most = 0;   // numbers in a block
    };

    RandomCalls(Node& node, unsigned seed, Kind kind)
        : node_(node), world_(node.world()), same_(seed), kind_(kind) {}

    void make(int calls) {
        for (int call = 0; call < calls; ++call) {
            begin(call);
            if (!kind_.requests || open_.size() > 20 || call + 1 == calls) finish();
        }
    }

private:
    using Numbers = std::pmr::vector<std::int64_t>;

    Numbers& numbers(std::size_t size, std::int64_t fill) {
        kept_.push_back(std::make_unique<Numbers>(
            size, fill, kind_.arena ? &node_.arena() : std::pmr::new_delete_resource()));
        return *kept_.back();
    }
    /// `wanted`: of a block's number.
    void expect(Numbers& list, std::size_t block, auto wanted) {
        checks_.push_back([&list, block, wanted, name = name_] {
            for (std::size_t i = 0; i < list.size(); ++i) {
                const auto right = wanted(static_cast<std::int64_t>(i / block));
                if (list[i] == right) continue;
                ADD_FAILURE() << name << " of " << block << ", at " << i << ": " << list[i]
                              << " and not " << right;
                return;
            }
        });
    }

    void begin(int call) {
        const auto ranks = static_cast<std::size_t>(world_.size());
        const std::int64_t n = world_.size(), rank = world_.rank();
        const unsigned what = static_cast<unsigned>(same_() % 11);
        const int root = static_cast<int>(same_() % ranks);
        const std::size_t count = 1 + (same_() % 3 == 0 ? same_() % 50 : same_() % kind_.most);
        const bool is_root = world_.rank() == root;
        const Reduction sum(Op::sum, Type::int64);
        // Rank r has r + call; so the sum of the first k is:
        const auto sum_of = [call](std::int64_t k) { return k * call + k * (k - 1) / 2; };
        const auto of_block = [call](std::int64_t block) { return block + call; };
        Numbers& from = numbers(count, rank + call);
        Numbers& to = numbers(count, -1);
        Numbers& many = numbers(count * ranks, rank + call);
        Numbers& all = numbers(count * ranks, -1);
        name_ = std::to_string(call) + ", kind " + std::to_string(what);
        switch (what) {
            case 0:
                open_.push_back(world_.ibarrier());
                break;
            case 1:
                open_.push_back(world_.ibcast(bytes_of(from), root));
                expect(from, count, [=](std::int64_t) { return of_block(root); });
                break;
            case 2:
                open_.push_back(world_.iallreduce(bytes_of(from), bytes_of(to), sum));
                expect(to, count, [=](std::int64_t) { return sum_of(n); });
                break;
            case 3:
                open_.push_back(world_.ireduce(bytes_of(from), bytes_of(to), sum, root));
                if (is_root) expect(to, count, [=](std::int64_t) { return sum_of(n); });
                break;
            case 4:
                open_.push_back(world_.iallgather(bytes_of(from), bytes_of(all)));
                expect(all, count, of_block);
                break;
            case 5:
                open_.push_back(world_.ialltoall(bytes_of(many), bytes_of(all)));
                expect(all, count, of_block);
                break;
            case 6:
                open_.push_back(world_.ireduce_scatter_block(bytes_of(many), bytes_of(to), sum));
                expect(to, count, [=](std::int64_t) { return sum_of(n); });
                break;
            case 7:
                open_.push_back(world_.iscan(bytes_of(from), bytes_of(to), sum));
                expect(to, count, [=](std::int64_t) { return sum_of(rank + 1); });
                break;
            case 8:
                open_.push_back(world_.iexscan(bytes_of(from), bytes_of(to), sum));
                if (rank > 0) expect(to, count, [=](std::int64_t) { return sum_of(rank); });
                break;
            case 9:
                open_.push_back(world_.igather(bytes_of(from), bytes_of(all), root));
                if (is_root) expect(all, count, of_block);
                break;
            default:
                open_.push_back(world_.iscatter(bytes_of(many), bytes_of(to), root));
                expect(to, count, [=](std::int64_t) { return of_block(root); });
        }
    }
    void finish() {
        if (world_.rank() % 2 == 0) wait_all(open_);
        for (; !open_.empty(); open_.pop_back()) {
            if (world_.rank() % 2 == 1) open_.back().wait();
        }
        for (const auto& check : checks_) check();
        checks_.clear();
        kept_.clear();
    }

    Node& node_;
    Communicator& world_;
    std::mt19937 same_;
    Kind kind_;
    std::vector<Request> open_;
    std::vector<std::unique_ptr<Numbers>> kept_;
    std::vector<std::function<void()>> checks_;
    std::string name_;
};

void random_calls(const RandomCalls::Kind& kind, int calls) {
    for (const int ranks : {2, 3, 5}) {
        EXPECT_RANKS(ranks, [=](Node& node) {
            node.world().barrier();
            never_wake_up_by_yourself(node);
            RandomCalls(node, static_cast<unsigned>(ranks) * 101, kind).make(calls);
        });
    }
}

TEST(CollectiveBells, NoneIsLostBetweenRandomCallsOnOrdinaryMemory) {
    random_calls({false, false, 30'000}, 150);
}
TEST(CollectiveBells, NoneIsLostBetweenRandomCallsOnArenas) {
    random_calls({true, false, 60'000}, 150);
}
TEST(CollectiveBells, NoneIsLostBetweenRandomRequestsOnOrdinaryMemory) {
    random_calls({false, true, 20'000}, 150);
}
TEST(CollectiveBells, NoneIsLostBetweenRandomRequestsOnArenas) {
    random_calls({true, true, 20'000}, 150);
}

}  // namespace
}  // namespace onecopy
