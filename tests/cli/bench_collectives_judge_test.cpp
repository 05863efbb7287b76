#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/bench_collectives.hpp"
#include "reports.hpp"

namespace onecopy::cli {
namespace {

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;

Row row(std::string work, std::string way, std::uint64_t bytes, double median_us, int ranks = 2) {
    return row_of("collectives", std::move(work), std::move(way), ranks, bytes, median_us);
}

/// MPI's four settings at a point: MPICH's are the faster ones.
std::vector<Row> with_mpi(const std::string& work, std::uint64_t bytes, int ranks) {
    return {row(work, "openmpi", bytes, 300, ranks), row(work, "openmpi-nocma", bytes, 200, ranks),
            row(work, "mpich", bytes, 400, ranks), row(work, "mpich-posix", bytes, 100, ranks)};
}

struct Claim {
    const char* work;
    const char* way;
    int ranks;
    std::uint64_t bytes;
    double limit;  // 0: nothing is claimed
    double base_us = 100;

    friend std::ostream& operator<<(std::ostream& out, const Claim& claim) {
        return out << claim.work << ' ' << claim.way << ' ' << claim.ranks << ' ' << claim.bytes;
    }
};

class CollectivesClaims : public testing::TestWithParam<Claim> {};

TEST_P(CollectivesClaims, AreHeldAgainstTheBestMpiAtThatPoint) {
    const Claim& claim = GetParam();
    for (const double part : {0.999, 1.001}) {
        std::vector<Row> rows = with_mpi(claim.work, claim.bytes, claim.ranks);
        // What must not be taken for it: another size, number of ranks, work, and who is no MPI.
        rows.push_back(row(claim.work, "openmpi", claim.bytes + 8, 1, claim.ranks));
        rows.push_back(row(claim.work, "openmpi", claim.bytes, 1, claim.ranks + 1));
        rows.push_back(row("scan", "openmpi", claim.bytes, 1, claim.ranks));
        rows.push_back(row(claim.work, "gloo", claim.bytes, 1, claim.ranks));
        const double limit = claim.limit == 0 ? 1 : claim.limit;
        rows.push_back(
            row(claim.work, claim.way, claim.bytes, claim.base_us / limit * part, claim.ranks));
        const std::vector<Verdict> verdicts = judge_collectives(rows);
        if (claim.limit == 0) {
            EXPECT_TRUE(verdicts.empty());
            continue;
        }
        ASSERT_EQ(verdicts.size(), 1U);
        EXPECT_EQ(verdicts[0].limit, claim.limit);
        EXPECT_EQ(verdicts[0].ok, part < 1) << verdicts[0].value;
        const char* const rival = claim.base_us == 100 ? "the best MPI (mpich-posix)"
                                                       : "the best Open MPI (openmpi-nocma)";
        EXPECT_NE(verdicts[0].name.find(rival), std::string::npos) << verdicts[0].name;
    }
}

INSTANTIATE_TEST_SUITE_P(
    BenchCollectivesJudge, CollectivesClaims,
    testing::Values(
        Claim{"allreduce", "onecopy", 2, 8, 1.0}, Claim{"allreduce", "onecopy", 2, 64, 0},
        Claim{"allreduce", "onecopy", 2, 64 * kib, 1.7},
        Claim{"allreduce", "onecopy", 2, 256 * kib, 1.8},
        Claim{"allreduce", "onecopy", 2, mib, 2.2}, Claim{"allreduce", "onecopy", 2, 4 * mib, 2.5},
        Claim{"allreduce", "onecopy", 2, 16 * mib, 1.4},
        Claim{"allreduce", "onecopy-ordinary", 2, 16 * kib, 0},
        Claim{"allreduce", "onecopy-ordinary", 2, 64 * kib, 1.35},
        Claim{"allreduce", "onecopy-ordinary", 2, mib, 1.35},
        Claim{"allreduce", "onecopy-ordinary", 2, 4 * mib, 1.35},
        Claim{"allreduce", "onecopy-ordinary", 2, 16 * mib, 0.95},
        Claim{"bcast", "onecopy", 2, 64 * kib, 1.3}, Claim{"bcast", "onecopy", 2, mib, 1.3},
        Claim{"reduce", "onecopy", 2, 64 * kib, 1.3}, Claim{"reduce", "onecopy", 2, mib, 1.3},
        Claim{"allgather", "onecopy", 2, 64 * kib, 1.3}, Claim{"allgather", "onecopy", 2, mib, 1.3},
        Claim{"alltoall", "onecopy", 2, 64 * kib, 1.3}, Claim{"alltoall", "onecopy", 2, mib, 1.3},
        Claim{"alltoall", "onecopy", 2, 4 * mib, 0}, Claim{"bcast", "onecopy-ordinary", 2, mib, 0},
        Claim{"gather", "onecopy", 2, mib, 0}, Claim{"allreduce_stream", "onecopy", 2, 8, 0},
        Claim{"allreduce", "onecopy", 8, 8, 1.5},
        // Here MPICH, which spins, is no rival.
        Claim{"allreduce", "onecopy", 8, 64 * kib, 1.5, 200},
        Claim{"allreduce", "onecopy", 8, mib, 1.5, 200}, Claim{"allreduce", "onecopy", 4, 8, 0},
        Claim{"bcast", "onecopy", 8, mib, 0}));

TEST(BenchCollectivesJudge, WithoutAnMpiNothingIsJudged) {
    EXPECT_TRUE(judge_collectives(std::vector<Row>{row("allreduce", "onecopy", 8, 1),
                                                   row("allreduce", "gloo", 8, 1)})
                    .empty());
}

TEST(BenchCollectivesJudge, WhatComputingHidIsThePartOfTheShorterThatCouldBe) {
    std::vector<Row> rows = {
        row("iallreduce_overlap", "computing", mib, 100),
        row("iallreduce", "onecopy", mib, 40),
        row("iallreduce_overlap", "onecopy", mib, 110),  // 30 of 40
        row("iallreduce", "openmpi", mib, 200),
        row("iallreduce_overlap", "openmpi", mib, 320),  // less than nothing
        row("iallreduce", "mpich", mib, 200),
        row("iallreduce_overlap", "mpich", mib, 250)};  // 50 of 100: no more could be
    const std::vector<std::string> notes = hidden_by_computing(rows);
    ASSERT_EQ(notes.size(), 1U);
    EXPECT_EQ(notes[0],
              "iallreduce of 1 MiB behind computing, 2 ranks, the part hidden: onecopy 0.75, "
              "openmpi 0.00, mpich 0.50.");
    rows.erase(rows.begin());
    EXPECT_TRUE(hidden_by_computing(rows).empty());
}

}  // namespace
}  // namespace onecopy::cli
