// The memory that calls take, and what they do where it ends.
#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <system_error>
#include <vector>

#include "helpers.hpp"
#include "onecopy/communicator.hpp"
#include "ranks.hpp"

namespace onecopy {
namespace {

using test::bytes_of;

/// Makes communicators and a call of `count` numbers in each, until there is no memory for it; how
/// many there was memory for. All ranks must hear of it in the same one.
int use_up(Node& node, std::size_t count, int most) {
    Communicator& world = node.world();
    std::vector<double> from(count, 1.0), to(count);
    std::error_code error;
    std::vector<Communicator> twins;  // kept, with all that they have
    while (!error && std::ssize(twins) < most) {
        twins.push_back(world.dup());
        twins.back().allreduce(bytes_of(from), bytes_of(to), {Op::sum, Type::float64}, error);
        EXPECT_TRUE(error || to[count / 2] == world.size());
    }
    EXPECT_EQ(error, std::errc::not_enough_memory) << twins.size() << ": " << error.message();
    return static_cast<int>(twins.size());
}

/// Of address space, for the job's memory.
constexpr bool has_much = sizeof(void*) == 8;

/// What had its memory before goes on, and so do messages, large ones too.
void expect_the_rest_to_work(Node& node, std::size_t count) {
    Communicator& world = node.world();
    std::vector<double> from(count, 2.0), to(count);
    world.allreduce(from, to, Op::sum);
    EXPECT_EQ(to[count / 2], 2.0 * world.size());
    std::vector<std::uint32_t> out(1 << 20), in(1 << 20);
    std::iota(out.begin(), out.end(), static_cast<std::uint32_t>(node.rank()));
    const int right = (node.rank() + 1) % node.size();
    const int left = (node.rank() + node.size() - 1) % node.size();
    Request receipt = world.irecv(bytes_of(in), left, 1);
    world.send(bytes_of(out), right, 1);
    receipt.wait();
    EXPECT_EQ(in.front(), static_cast<std::uint32_t>(left));
    EXPECT_EQ(in.back(), static_cast<std::uint32_t>(left) + in.size() - 1);
}

TEST(CollectiveMemory, ThatEndsForFramesIsAnErrorAtAllRanksAndHarmsNothingElse) {
    for (const int ranks : {2, 3}) {
        EXPECT_RANKS(ranks, [](Node& node) {
            std::vector<double> from(20'000, 1.0), to(from);
            node.world().allreduce(from, to, Op::sum);
            // Who has none must ring the others.
            test::never_wake_up_by_yourself(node);
            EXPECT_GT(use_up(node, from.size(), 10'000), has_much ? 50 : 20);
            expect_the_rest_to_work(node, from.size());
        });
    }
}

TEST(CollectiveMemory, ThatEndsForBoardsIsAnErrorAtAllRanksAndHarmsNothingElse) {
    for (const int ranks : {2, 3}) {
        EXPECT_RANKS(ranks, [](Node& node) {
            std::vector<double> from(4, 1.0), to(from);
            node.world().allreduce(from, to, Op::sum);
            // Who has none must ring the others.
            test::never_wake_up_by_yourself(node);
            EXPECT_GT(use_up(node, from.size(), 100'000), has_much ? 1000 : 200);
            expect_the_rest_to_work(node, from.size());
        });
    }
}

void add(const void* left, const void* right, void* result, std::size_t count, void* /*context*/) {
    for (std::size_t i = 0; i < 3 * count; ++i) {
        static_cast<std::uint64_t*>(result)[i] = static_cast<const std::uint64_t*>(left)[i] +
                                                 static_cast<const std::uint64_t*>(right)[i];
    }
}

/// Others' arenas are mapped in windows, and elements of 24 bytes lie across their ends.
TEST(CollectiveMemory, OfArenasIsSeenAcrossTheEndsOfWindows) {
    EXPECT_RANKS(2, [](Node& node) {
        const Function sum{add, 24, nullptr};
        const auto rank = static_cast<std::uint64_t>(node.rank());
        constexpr std::size_t count = (std::size_t{9} << 20) / 3 * 3;  // 72 MiB
        for (const bool in_place : {false, true}) {
            std::pmr::vector<std::uint64_t> from(count, &node.arena());
            std::pmr::vector<std::uint64_t> to(in_place ? 0 : count, &node.arena());
            auto& result = in_place ? from : to;
            std::iota(from.begin(), from.end(), rank);
            node.world().allreduce(bytes_of(from), bytes_of(result), Reduction(sum));
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < count; ++i) wrong += result[i] != 2 * i + 1;
            EXPECT_EQ(wrong, 0U);
            std::iota(from.begin(), from.end(), rank);
            node.world().scan(bytes_of(from), bytes_of(result), Reduction(sum));
            wrong = 0;
            for (std::size_t i = 0; i < count; ++i)
                wrong += result[i] != (rank == 1 ? 2 * i + 1 : i);
            EXPECT_EQ(wrong, 0U);
        }
    });
}

}  // namespace
}  // namespace onecopy
