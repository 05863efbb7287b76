#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/bench_p2p.hpp"
#include "reports.hpp"

namespace onecopy::cli {
namespace {

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;

Row row(std::string work, std::string way, std::uint64_t bytes, double median_us, int ranks = 2) {
    return row_of("p2p", std::move(work), std::move(way), ranks, bytes, median_us);
}

/// MPI's four settings at a point; the best of them takes `best_us`.
std::vector<Row> with_mpi(const std::string& work, std::uint64_t bytes, double best_us,
                          const std::string& best = "openmpi-nocma") {
    std::vector<Row> rows;
    for (const char* const way : {"openmpi", "openmpi-nocma", "mpich", "mpich-posix"}) {
        rows.push_back(row(work, way, bytes, way == best ? best_us : 4 * best_us));
    }
    return rows;
}

/// The only verdict on `way` against 100 us of the best MPI.
std::vector<Verdict> verdicts_on(const std::string& work, const std::string& way,
                                 std::uint64_t bytes, double median_us) {
    std::vector<Row> rows = with_mpi(work, bytes, 100);
    rows.push_back(row(work, way, bytes, median_us));
    return judge_p2p(rows);
}

struct Claim {
    const char* work;
    const char* way;
    std::uint64_t bytes;
    double limit;  // 0: nothing is claimed

    friend std::ostream& operator<<(std::ostream& out, const Claim& claim) {
        return out << claim.work << ' ' << claim.way << ' ' << claim.bytes;
    }
};

class P2pClaims : public testing::TestWithParam<Claim> {};

TEST_P(P2pClaims, AreHeldAgainstTheBestMpi) {
    const Claim& claim = GetParam();
    if (claim.limit == 0) {
        EXPECT_TRUE(verdicts_on(claim.work, claim.way, claim.bytes, 1000).empty());
        return;
    }
    const auto just = verdicts_on(claim.work, claim.way, claim.bytes, 99.9 / claim.limit);
    ASSERT_EQ(just.size(), 1U);
    EXPECT_EQ(just[0].limit, claim.limit);
    EXPECT_TRUE(just[0].ok);
    EXPECT_NE(just[0].name.find("the best MPI (openmpi-nocma)"), std::string::npos) << just[0].name;
    const auto not_quite = verdicts_on(claim.work, claim.way, claim.bytes, 100.1 / claim.limit);
    ASSERT_EQ(not_quite.size(), 1U);
    EXPECT_FALSE(not_quite[0].ok);
}

INSTANTIATE_TEST_SUITE_P(
    BenchP2pJudge, P2pClaims,
    testing::Values(
        Claim{"bandwidth", "onecopy", 16 * kib, 0}, Claim{"bandwidth", "onecopy", 64 * kib, 1.2},
        Claim{"bandwidth", "onecopy", 255 * kib, 1.2},
        Claim{"bandwidth", "onecopy", 256 * kib, 2.0}, Claim{"bandwidth", "onecopy", 4 * mib, 2.0},
        Claim{"bandwidth", "onecopy", 16 * mib, 1.1}, Claim{"bandwidth", "onecopy", 32 * mib, 0},
        Claim{"bandwidth", "onecopy-ordinary", 32 * kib, 0},
        Claim{"bandwidth", "onecopy-ordinary", 64 * kib, 0.95},
        Claim{"bandwidth", "onecopy-ordinary", 16 * mib, 0.95}, Claim{"latency", "onecopy", 8, 1.0},
        Claim{"latency", "onecopy", 4 * kib, 1.0}, Claim{"latency", "onecopy", 8 * kib, 0},
        Claim{"stream", "onecopy", 8, 1.0}, Claim{"bidirectional", "onecopy", mib, 1.0},
        Claim{"message_rate", "onecopy", 8, 1.0}, Claim{"incast", "onecopy", 4096, 0},
        Claim{"bandwidth_cold", "onecopy", mib, 0}, Claim{"bandwidth", "iceoryx", mib, 0}));

TEST(BenchP2pJudge, TheBaseIsTheFastestOfTheFourSettingsAtThatPoint) {
    for (const char* const best : {"openmpi", "openmpi-nocma", "mpich", "mpich-posix"}) {
        std::vector<Row> rows = with_mpi("bandwidth", mib, 100, best);
        rows.push_back(row("bandwidth", "openmpi", 2 * mib, 1));     // of another size
        rows.push_back(row("bandwidth", "mpich", mib, 1, 4));        // with more ranks
        rows.push_back(row("stream", "openmpi", mib, 1));            // of another work
        rows.push_back(row("bandwidth", "boost-offset", mib, 0.1));  // no MPI
        rows.push_back(row("bandwidth", "onecopy", mib, 50));
        const Row* found = best_mpi(rows, rows.back());
        ASSERT_NE(found, nullptr);
        EXPECT_EQ(found->way, best);
        EXPECT_EQ(found->median_us, 100);
    }
}

TEST(BenchP2pJudge, BothSidesCopyingMustBeatOneCoresMemcpy) {
    for (const std::uint64_t bytes : {128 * kib, 256 * kib, 4 * mib, 8 * mib}) {
        const std::vector<Row> rows = {row("bandwidth", "memcpy", bytes, 129),
                                       row("bandwidth", "onecopy", bytes, 100)};
        const std::vector<Verdict> verdicts = judge_p2p(rows);
        if (bytes < 256 * kib || bytes > 4 * mib) {
            EXPECT_TRUE(verdicts.empty());
            continue;
        }
        ASSERT_EQ(verdicts.size(), 1U);
        EXPECT_EQ(verdicts[0].limit, 1.3);
        EXPECT_DOUBLE_EQ(verdicts[0].value, 1.29);
        EXPECT_FALSE(verdicts[0].ok);
    }
}

TEST(BenchP2pJudge, WaitingMayCostAFifthMoreThanBlocking) {
    for (const double ours : {119.0, 121.0}) {
        const std::vector<Verdict> verdicts = judge_p2p(
            std::vector<Row>{row("latency", "pipe", 8, 100), row("latency", "onecopy", 8, ours)});
        ASSERT_EQ(verdicts.size(), 1U);
        EXPECT_EQ(verdicts[0].ok, ours < 120);
    }
}

TEST(BenchP2pJudge, NothingIsClaimedForMoreRanksThanTwo) {
    std::vector<Row> rows = {row("latency", "openmpi", 8, 1, 4),
                             row("latency", "onecopy", 8, 9, 4)};
    EXPECT_TRUE(judge_p2p(rows).empty());
    EXPECT_TRUE(worst_of_ours(rows).empty());
}

TEST(BenchP2pJudge, TheWorstPointOfEachOfOurWaysIsNoted) {
    std::vector<Row> rows = with_mpi("latency", 8, 1);
    rows.push_back(row("latency", "onecopy", 8, 2));
    for (Row& one : with_mpi("stream", kib, 100)) rows.push_back(std::move(one));
    rows.push_back(row("stream", "onecopy", kib, 80));
    rows.push_back(row("stream", "onecopy-ordinary", kib, 125));
    const std::vector<std::string> notes = worst_of_ours(rows);
    ASSERT_EQ(notes.size(), 2U);
    EXPECT_NE(notes[0].find("Worst of onecopy against the best MPI, 2 ranks: latency of 8 B, 0.50"),
              std::string::npos)
        << notes[0];
    EXPECT_NE(notes[1].find("Worst of onecopy-ordinary"), std::string::npos) << notes[1];
    EXPECT_NE(notes[1].find("0.80 times"), std::string::npos) << notes[1];
}

TEST(BenchP2pJudge, ItIsSaidFromWhereOnCopyingNothingIsTheFastest) {
    std::vector<Row> rows;
    for (const std::uint64_t bytes : {kib, 4 * kib, 16 * kib, 64 * kib}) {
        rows.push_back(row("bandwidth", "memcpy", bytes, 0.01));  // the ceiling is no rival
        rows.push_back(row("bandwidth", "unix", bytes, 50));
        rows.push_back(row("bandwidth", "mpich", bytes, 10));
        rows.push_back(row("bandwidth", "boost-offset", bytes, bytes == 4 * kib ? 11 : 9));
        rows.push_back(row("bandwidth", "iceoryx", bytes, bytes == 64 * kib ? 12 : 9));
        rows.push_back(row("bandwidth", "iceoryx", bytes, 1, 4));
    }
    const std::string note = where_copying_nothing_wins(rows);
    EXPECT_NE(note.find("boost-offset from 16 KiB on, iceoryx not at the largest size"),
              std::string::npos)
        << note;
    EXPECT_EQ(where_copying_nothing_wins(with_mpi("bandwidth", kib, 1)), "");
}

}  // namespace
}  // namespace onecopy::cli
