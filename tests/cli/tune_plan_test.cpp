#include "cli/tune_plan.hpp"

#include <gtest/gtest.h>

#include <set>

namespace onecopy::cli {
namespace {

using os::Distance;

/// Two nodes of two L3 of four cores of two hardware threads: number n is core n % 16, thread
/// n / 16; cores 2n and 2n + 1 share an L2.
Distance on_a_server(int one, int other) {
    const int a = one % 16, b = other % 16;
    if (a == b) return Distance::same_core;
    if (a / 2 == b / 2) return Distance::same_l2;
    if (a / 4 == b / 4) return Distance::same_l3;
    if (a / 8 == b / 8) return Distance::same_node;
    return Distance::farther;
}

std::vector<node::CpuSet> cores_of_a_server() {
    std::vector<node::CpuSet> cores;
    for (int core = 0; core < 16; ++core) cores.push_back({core, core + 16});
    return cores;
}

TEST(TunePlan, PutsEveryCoreOfAServerToWorkAtEachDistance) {
    const auto cores = cores_of_a_server();
    for (int i = 0; i < static_cast<int>(os::distances); ++i) {
        const auto distance = static_cast<Distance>(i);
        const std::vector<CpuPair> pairs = pairs_at(distance, cores, on_a_server);
        std::set<int> seen;
        for (const CpuPair& each : pairs) {
            EXPECT_EQ(on_a_server(each.one, each.other), distance);
            EXPECT_TRUE(seen.insert(each.one).second && seen.insert(each.other).second);
        }
        EXPECT_EQ(pairs.size(), distance == Distance::same_core ? 16U : 8U) << i;
    }
}

TEST(TunePlan, OneCoreHasNoPairAndItsTwoThreadsAreOne) {
    const std::vector<node::CpuSet> one{{3}};
    const std::vector<node::CpuSet> two_threads{{3, 19}};
    for (int i = 0; i < static_cast<int>(os::distances); ++i) {
        const auto distance = static_cast<Distance>(i);
        EXPECT_TRUE(pairs_at(distance, one, on_a_server).empty());
        EXPECT_EQ(pairs_at(distance, two_threads, on_a_server).size(),
                  distance == Distance::same_core ? 1U : 0U);
    }
    EXPECT_EQ(pairs_at(Distance::same_core, two_threads, on_a_server).front(), (CpuPair{3, 19}));
}

TEST(TunePlan, TheFastestIsChosenButATieStaysWithTheDefault) {
    EXPECT_EQ(choose_overall({{100}, {96}, {99}}, 0), 0U);
    EXPECT_EQ(choose_overall({{100}, {96}, {90}}, 0), 2U);
    EXPECT_EQ(choose_overall({{100}, {80}, {79}}, 0), 2U);
    EXPECT_EQ(choose_overall({{100}, {80}, {79}}, 1), 1U);
    // Over all sizes alike, however long each takes.
    EXPECT_EQ(choose_overall({{1, 1000}, {2, 900}}, 0), 0U);
    EXPECT_EQ(choose_overall({{1, 1000}, {0.5, 1100}}, 0), 1U);
    EXPECT_EQ(choose_each({{100, 100, 100}, {90, 98, 200}, {89, 99, 10}}, 0),
              (std::vector<std::size_t>{2, 0, 2}));
}

TEST(TunePlan, BothCopyFromTheSizeOnAtWhichThatIsFaster) {
    constexpr std::uint64_t standard = 64, most = 1000;
    const std::vector<std::uint64_t> bytes{16, 32, 64, 128};
    const auto from = [&](const std::vector<double>& alone, const std::vector<double>& both) {
        return choose_shared_from(bytes, alone, both, standard, most);
    };
    EXPECT_EQ(from({1, 1, 1, 1}, {1, 1, 1, 1}), standard);
    EXPECT_EQ(from({1, 1, 1, 1}, {1.04, 0.97, 0.97, 1.04}), standard);
    EXPECT_EQ(from({1, 1, 1, 1}, {0.5, 0.5, 0.5, 0.5}), 16U);
    EXPECT_EQ(from({1, 1, 1, 1}, {2, 0.5, 0.5, 0.5}), 32U);
    EXPECT_EQ(from({1, 1, 1, 1}, {2, 2, 2, 0.5}), 128U);
    EXPECT_EQ(from({1, 1, 1, 1}, {2, 2, 2, 2}), most);
    // One bad measurement in the middle moves nothing.
    EXPECT_EQ(from({1, 1, 1, 1}, {0.5, 1.1, 0.5, 0.5}), 16U);
}

TEST(TunePlan, TheLowerQuartileIsWhatAQuarterFallsBelow) {
    EXPECT_EQ(lower_quartile({7}), 7);
    EXPECT_EQ(lower_quartile({9, 1}), 1);
    EXPECT_EQ(lower_quartile({8, 1, 7, 2, 6, 3, 5, 4}), 3);
}

}  // namespace
}  // namespace onecopy::cli
