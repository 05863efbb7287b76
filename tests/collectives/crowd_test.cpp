// Many more ranks than cores.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory_resource>
#include <random>
#include <thread>
#include <vector>

#include "helpers.hpp"
#include "onecopy/communicator.hpp"
#include "ranks.hpp"

namespace onecopy {
namespace {

using test::descriptors;
using test::mappings;

void sleep_up_to(std::mt19937& random, unsigned most_us) {
    std::this_thread::sleep_for(std::chrono::microseconds(random() % most_us));
}

/// Less than there are others; the C library and sanitizers map some things now and then.
constexpr std::size_t few_mappings = 48;

constexpr std::size_t words_each = 4096 / sizeof(std::uint32_t);

/// The words that a rank sends to another, all of them different in all rounds.
std::uint32_t word(int from, int to, unsigned round, std::size_t i) {
    const auto pair = static_cast<std::uint32_t>(from * 1024 + to);
    return (pair * static_cast<std::uint32_t>(words_each) + static_cast<std::uint32_t>(i)) *
               2'654'435'761U +
           round;
}

/// Whoever comes first waits for nobody in particular, so no order of coming is a bad one; and a
/// rank holds nothing open for each of the others.
TEST(CollectiveCrowds, TwoHundredAndFiftySixRanksExchange4KiBInWhateverOrderTheyCome) {
    constexpr int ranks = 256;
    EXPECT_RANKS(
        ranks, std::function<void()>([] {
            std::mt19937 random(static_cast<unsigned>(std::atoi(std::getenv("ONECOPY_RANK"))));
            sleep_up_to(random, 300'000);
            Node node;
            Communicator& world = node.world();
            const std::size_t descriptors_before = descriptors();
            const std::size_t mappings_before = mappings();
            std::vector<std::uint32_t> from(ranks * words_each), to(ranks * words_each);
            for (unsigned round = 0; round < 2; ++round) {
                for (std::size_t i = 0; i < from.size(); ++i) {
                    const auto other = static_cast<int>(i / words_each);
                    from[i] = word(world.rank(), other, round, i % words_each);
                }
                sleep_up_to(random, 50'000);
                world.alltoall(from, to);
                for (std::size_t i = 0; i < to.size(); ++i) {
                    const auto other = static_cast<int>(i / words_each);
                    ASSERT_EQ(to[i], word(other, world.rank(), round, i % words_each))
                        << "round " << round << ", from " << other << ", word " << i % words_each;
                }
            }
            // The two operands are mappings of their own.
            EXPECT_LE(descriptors(), descriptors_before + 2);
            EXPECT_LE(mappings(), mappings_before + few_mappings);
        }));
}

/// Their arenas are not mapped either: that would be a descriptor for each of them.
TEST(CollectiveCrowds, SeventyRanksDoNotMapEachOthersArenas) {
    EXPECT_RANKS(70, [](Node& node) {
        Communicator& world = node.world();
        std::pmr::vector<std::int64_t> from(30'000, world.rank(), &node.arena()),
            to(from.size(), &node.arena());
        const std::size_t descriptors_before = descriptors();
        const std::size_t mappings_before = mappings();
        world.allreduce(from, to, Op::sum);
        EXPECT_TRUE(
            std::all_of(to.begin(), to.end(), [](std::int64_t x) { return x == 70 * 69 / 2; }));
        world.bcast(to, 3);
        EXPECT_LE(descriptors(), descriptors_before + 2);
        EXPECT_LE(mappings(), mappings_before + few_mappings);
    });
}

/// Few ranks do, for large calls on them.
TEST(CollectiveCrowds, FiveRanksMapEachOthersArenasForLargeCallsOnThem) {
    EXPECT_RANKS(5, [](Node& node) {
        Communicator& world = node.world();
        const auto newly_open = [&](std::pmr::memory_resource* memory, std::size_t count) {
            std::pmr::vector<std::int64_t> from(count, world.rank(), memory), to(count, memory);
            const std::size_t before = descriptors();
            world.allreduce(from, to, Op::sum);
            EXPECT_EQ(to[count - 1], 10);
            return descriptors() - before;
        };
        EXPECT_EQ(newly_open(&node.arena(), 100), 0U);
        EXPECT_EQ(newly_open(std::pmr::new_delete_resource(), 30'000), 0U);
        EXPECT_GE(newly_open(&node.arena(), 30'000), 4U);
    });
}

/// Death in a crowd: everybody hears of it, also who had gone to sleep for somebody else.
TEST(CollectiveCrowds, ADeathAmongTwentyFourReachesAllOfThem) {
    for (const std::size_t count : {std::size_t{1}, std::size_t{40'000}}) {
        std::vector<int> survivors;
        for (int rank = 0; rank < 24; ++rank) {
            if (rank != 11) survivors.push_back(rank);
        }
        test::Ranks job(24, [count](Node& node) {
            Communicator& world = node.world();
            world.barrier();
            std::vector<double> from(count, 1.0), to(count);
            std::error_code error;
            for (int call = 0; !error; ++call) {
                if (world.rank() == 11 && call == 5) test::die();
                world.allreduce(std::as_bytes(std::span(from)),
                                std::as_writable_bytes(std::span(to)), {Op::sum, Type::float64},
                                error);
            }
            EXPECT_EQ(error, Errc::peer_died) << error.message();
        });
        EXPECT_TRUE(job.wait().all_right(survivors));
    }
}

}  // namespace
}  // namespace onecopy
