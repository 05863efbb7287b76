#include "cli/bench_collectives.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/bench_plot.hpp"
#include "cli/bench_program.hpp"
#include "reports.hpp"

namespace onecopy::cli {
namespace {

/// A block of a few operations of every work, in all ways.
CollectivesBench small() {
    CollectivesBench bench;
    const auto works = collectives_work_names();
    bench.works.assign(works.begin(), works.end());
    const auto ways = names_of(collectives_ways());
    bench.ways.assign(ways.begin(), ways.end());
    bench.sizes = {8, 6000};
    bench.rounds = 1;
    return bench;
}

Report run(const CollectivesBench& bench) { return silently(run_collectives_bench, bench); }

const JobWay& way_named(std::string_view name) {
    const auto ways = collectives_ways();
    return *std::find_if(ways.begin(), ways.end(),
                         [name](const JobWay& way) { return way.name == name; });
}

/// Every row that there should be is there and right; what is left out this build does not have.
void expect_all_rows(const CollectivesBench& bench, const Report& report) {
    std::size_t expected = 0;
    for (const std::string& way : bench.ways) {
        if (!reason(report, way).empty()) {
            EXPECT_TRUE(find_beside_tool(way_named(way).driver).empty() ||
                        reason(report, way).find("(Debian: ") != std::string::npos)
                << reason(report, way);
            continue;
        }
        EXPECT_NE(report.machine.libraries.count("collectives " + way), 0U) << way;
        for (const std::string& work : bench.works) {
            if (!does_collective(way, work)) continue;
            for (const int ranks : bench.ranks) {
                for (const std::uint64_t bytes : collectives_sizes(bench, work, ranks)) {
                    ++expected;
                    const Row* row = find_row(report.rows, work, way, ranks, bytes);
                    ASSERT_NE(row, nullptr) << work << ' ' << way << ' ' << ranks << ' ' << bytes;
                    EXPECT_EQ(row->bench, "collectives");
                    EXPECT_TRUE(row->verified)
                        << work << ' ' << way << ' ' << ranks << ' ' << bytes;
                    EXPECT_GT(row->repetitions, 0U);
                }
            }
        }
    }
    EXPECT_EQ(report.rows.size(), expected) << testing::PrintToString(report.notes);
}

TEST(BenchCollectives, MeasuresAndVerifiesEveryWorkInEveryWayThatIsThere) {
    const CollectivesBench bench = small();
    const Report report = run(bench);
    expect_all_rows(bench, report);
    EXPECT_EQ(reason(report, "computing"), "");
    // What has no bytes has no place in a picture, and all else has.
    const std::string script = plot_script(report, "a.svg");
    EXPECT_EQ(script.find("barrier"), std::string::npos);
    EXPECT_NE(script.find("'iallreduce_overlap, 2 processes'"), std::string::npos);
    EXPECT_EQ(nlohmann::json::parse(to_json(report)).at("rows").size(), report.rows.size());
}

TEST(BenchCollectives, MoreRanksThanCoresMayAlsoBeAnOddNumber) {
    CollectivesBench bench = small();
    std::erase_if(bench.ways, [](const std::string& way) {
        return way.starts_with("mpich");  // takes 10 ms for a call here
    });
    bench.ranks = {3, 8};
    expect_all_rows(bench, run(bench));
}

TEST(BenchCollectives, AWrongElementIsNotVerifiedInAnyWork) {
    // All are fed and checked by the same code: one of them is enough.
    CollectivesBench bench = small();
    bench.ranks = {3};
    for (const char* const way : {"onecopy", "openmpi", "mpich"}) {
        if (find_beside_tool(way_named(way).driver).empty()) continue;
        bench.ways = {way};
        bench.corrupt = way;
        break;
    }
    if (bench.corrupt.empty()) GTEST_SKIP() << "neither an MPI nor the node is built";
    const Report report = run(bench);
    EXPECT_EQ(reason(report, bench.corrupt), "");
    for (const Row& row : report.rows) {
        EXPECT_EQ(row.verified, row.bytes == 0) << row.work << ' ' << row.bytes;
    }
}

TEST(BenchCollectives, PartsAreMeasuredAsFarAsAllOfThemFitAndBarriersHaveNoSize) {
    CollectivesBench bench = small();
    bench.sizes = {64, 8U << 20, 64U << 20};
    EXPECT_EQ(collectives_sizes(bench, "alltoall", 8), (std::vector<std::uint64_t>{64, 8U << 20}));
    EXPECT_EQ(collectives_sizes(bench, "allreduce", 8), bench.sizes);
    EXPECT_EQ(collectives_sizes(bench, "barrier", 8), std::vector<std::uint64_t>{0});
    EXPECT_EQ(collectives_sizes(bench, "barrier_stream", 2), std::vector<std::uint64_t>{0});
    bench.sizes.clear();
    // What is judged is measured.
    for (const std::uint64_t bytes : {8U, 64U << 10, 256U << 10, 1U << 20, 4U << 20, 16U << 20}) {
        const auto sizes = collectives_sizes(bench, "allreduce", 2);
        EXPECT_NE(std::find(sizes.begin(), sizes.end(), bytes), sizes.end()) << bytes;
    }
    for (const std::uint64_t bytes : {8U, 64U << 10, 1U << 20}) {
        const auto sizes = collectives_sizes(bench, "allreduce", 8);
        EXPECT_NE(std::find(sizes.begin(), sizes.end(), bytes), sizes.end()) << bytes;
    }
    for (const char* const work : {"bcast", "reduce", "allgather", "alltoall"}) {
        for (const std::uint64_t bytes : {64U << 10, 1U << 20}) {
            const auto sizes = collectives_sizes(bench, work, 2);
            EXPECT_NE(std::find(sizes.begin(), sizes.end(), bytes), sizes.end()) << work << bytes;
        }
    }
}

TEST(BenchTurns, TheSlowestRankIsTheOneThatWasLongestInIt) {
    std::vector<JobRank> ranks(2);
    ranks[0].stamps[1] = {1'000'000, 1'005'000};
    ranks[1].stamps[1] = {1'003'000, 1'009'000};
    EXPECT_DOUBLE_EQ(slowest_us(ranks, 1), 6);
    EXPECT_EQ(slowest_us(ranks, 0), 0);
}

TEST(BenchTurns, WhoLeavesBeforeTheLastHasBegunHasNotMet) {
    std::vector<JobRank> ranks(3);
    ranks[0].stamps[0] = {10, 30};
    ranks[1].stamps[0] = {20, 40};
    ranks[2].stamps[0] = {30, 31};
    EXPECT_TRUE(all_met(ranks, 0));
    ranks[2].stamps[0] = {31, 32};
    EXPECT_FALSE(all_met(ranks, 0));
}

}  // namespace
}  // namespace onecopy::cli
