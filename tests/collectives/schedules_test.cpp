// Whatever table of schedules a rank has measured: all ranks of a call go by one, and the results
// are the same, bit for bit.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory_resource>
#include <string>
#include <vector>

#include "node/endpoint.hpp"
#include "onecopy/communicator.hpp"
#include "ranks.hpp"

namespace onecopy {
namespace {

using schedule::Form;
using test::Ranks;

/// Sums that depend on their order.
double operand(int rank, std::size_t i) {
    return 1.0 / (1.0 + static_cast<double>(i % 1009)) * (rank % 3 == 1 ? -1e8 : 1.0 + rank);
}

/// What reductions give here, by arena and ordinary memory, in place and not.
std::vector<double> results_of(Node& node, Communicator& world, std::size_t count) {
    std::vector<double> all;
    const auto ranks = static_cast<std::size_t>(world.size());
    for (const bool arena : {false, true}) {
        std::pmr::memory_resource* const where =
            arena ? &node.arena() : std::pmr::new_delete_resource();
        std::pmr::vector<double> from(count * ranks, where), to(count, where);
        for (std::size_t i = 0; i < from.size(); ++i) from[i] = operand(world.rank(), i);
        const std::span<const double> part = std::span(from).first(count);
        const auto keep = [&](const std::pmr::vector<double>& made) {
            all.insert(all.end(), made.begin(), made.begin() + static_cast<std::ptrdiff_t>(count));
        };
        world.allreduce(part, to, Op::sum);
        keep(to);
        world.reduce(part, to, Op::sum, world.size() - 1);
        if (world.rank() == world.size() - 1) keep(to);
        world.reduce_scatter_block(from, to, Op::sum);
        keep(to);
        world.scan(part, to, Op::sum);
        keep(to);
        world.exscan(part, to, Op::sum);
        if (world.rank() > 0) keep(to);
        std::pmr::vector<double> both(part.begin(), part.end(), where);
        world.allreduce(both, both, Op::sum);
        keep(both);
        both.assign(part.begin(), part.end());
        world.scan(both, both, Op::sum);
        keep(both);
    }
    return all;
}

TEST(CollectiveSchedules, SumsHaveTheSameBitsByEveryTable) {
    for (const int ranks : {2, 3, 6}) {
        EXPECT_RANKS(ranks, [](Node& node) {
            constexpr std::size_t count = 30'011;
            const std::vector<double> expected = results_of(node, node.world(), count);
            for (const Form form : {Form::pull, Form::push, Form::redundant}) {
                for (const std::uint32_t window_kib : {4U, 52U, 128U, 1024U}) {
                    node.endpoint().use(node::all_by({form, window_kib}));
                    Communicator other = node.world().dup();
                    const std::vector<double> made = results_of(node, other, count);
                    ASSERT_EQ(made.size(), expected.size());
                    EXPECT_EQ(
                        std::memcmp(made.data(), expected.data(), made.size() * sizeof(double)), 0)
                        << static_cast<int>(form) << ", windows of " << window_kib << " KiB";
                }
            }
        });
    }
}

TEST(CollectiveSchedules, RanksWithTablesOfTheirOwnGoByThatOfMemberZero) {
    const std::array<std::string, 4> settings{
        "allreduce-mapped=redundant:4K,allreduce-frames=redundant:8K,bcast-mapped=push:8K",
        "allreduce-mapped=pull:1M,allreduce-frames=pull:64K,bcast-mapped=pull:64K",
        "allreduce-mapped=push:128K,allreduce-frames=pull:4K,reduce-frames=redundant:4K",
        "allgather-mapped=pull:4K,alltoall-mapped=pull:4K,scan-frames=redundant:4K"};
    Ranks ranks(4, [&settings] {
        const auto rank = static_cast<std::size_t>(std::atoi(std::getenv("ONECOPY_RANK")));
        ::setenv("ONECOPY_SCHEDULES", settings[rank].c_str(), 1);
        Node node;
        constexpr std::size_t count = 20'000;
        const std::vector<double> expected = results_of(node, node.world(), count);
        // By others' tables: each rank is member 0 of one.
        for (int first = 1; first < 4; ++first) {
            Communicator other = node.world().split(0, (node.rank() - first + 4) % 4);
            ASSERT_EQ(other.rank(), (node.rank() - first + 4) % 4);
            std::vector<std::uint64_t> from(count, static_cast<std::uint64_t>(node.rank())),
                to(count);
            other.allreduce(from, to, Op::sum);
            EXPECT_EQ(to, std::vector<std::uint64_t>(count, 6));
            other.bcast(from, 0);
            EXPECT_EQ(from, std::vector<std::uint64_t>(count, static_cast<std::uint64_t>(first)));
        }
        Communicator same = node.world().dup();
        const std::vector<double> again = results_of(node, same, count);
        EXPECT_EQ(std::memcmp(again.data(), expected.data(), again.size() * sizeof(double)), 0);
    });
    EXPECT_TRUE(ranks.wait().all_right());
}

}  // namespace
}  // namespace onecopy
