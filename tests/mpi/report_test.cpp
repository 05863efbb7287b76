// What the tool makes of the ranks' reports and of the bench program's output.
#include <gtest/gtest.h>

#include <cstdlib>

#include "cli/bench_mpi.hpp"
#include "cli/errors.hpp"
#include "cli/preload.hpp"
#include "cli/mpi_report.hpp"
#include "mpi/tally.hpp"

namespace onecopy::cli {
namespace {

std::string report_of_a_rank(int rank, const std::string& refusal) {
    mpi::Tally tally;
    tally.taken(mpi::Call::allreduce, 1000);
    tally.passed(mpi::Call::allreduce, mpi::Reason::small, 8);
    tally.passed(mpi::Call::reduce, mpi::Reason::operation, 16);
    mpi::Traffic traffic;
    traffic.process_vm = 500;
    return mpi::report_of({"An MPI", refusal, rank, 2}, tally, &traffic);
}

TEST(MpiReports, OfAllRanksAreAdded) {
    MpiReport report;
    EXPECT_TRUE(add_rank(report, report_of_a_rank(0, "")));
    EXPECT_TRUE(add_rank(report, report_of_a_rank(1, "has its reasons")));
    EXPECT_EQ(report.ranks, 2);
    EXPECT_EQ(report.ranks_that_took, 1);
    EXPECT_EQ(report.library, "An MPI");
    EXPECT_EQ(report.refusal, "has its reasons");
    EXPECT_EQ(report.functions.at("allreduce").at("taken").calls, 2U);
    EXPECT_EQ(report.functions.at("allreduce").at("taken").bytes, 2000U);
    EXPECT_EQ(report.functions.at("allreduce").at("small").bytes, 16U);
    EXPECT_EQ(report.functions.at("reduce").at("operation").calls, 2U);
    EXPECT_EQ(report.functions.at("reduce").count("taken"), 0U);
    EXPECT_EQ(report.moved_bytes.at("process_vm"), 1000U);
}

TEST(MpiReports, ThatAreNoneAreLeftOut) {
    MpiReport report;
    for (const char* text : {"", "{", "[]", "{}", R"({"mode": 7})", R"({"mode": "taken"})"}) {
        EXPECT_FALSE(add_rank(report, text)) << text;
    }
    EXPECT_EQ(report.ranks, 0);
    EXPECT_TRUE(report.functions.empty());
}

TEST(MpiPreload, StandsInFrontOfTheUsersOwn) {
    EXPECT_EQ(preload_of("mpi", "/lib/a.so", nullptr), "/lib/a.so");
    EXPECT_EQ(preload_of("mpi", "/lib/a.so", ""), "/lib/a.so");
    EXPECT_EQ(preload_of("mpi", "/lib/a.so", "b.so:c.so"), "/lib/a.so b.so:c.so");
    EXPECT_THROW(preload_of("mpi", "/my lib/a.so", nullptr), Failure);
    EXPECT_THROW(preload_of("mpi", "/my:lib/a.so", nullptr), Failure);
}

TEST(MpiSamples, OfSeveralJobsAreCollectedBySize) {
    const std::uint64_t sizes[] = {8, 1024};
    std::map<std::uint64_t, MpiSamples> samples;
    add_samples("8 1 0.5 0.25\n1024 1 2\n", sizes, samples);
    add_samples("8 1 0.75\n1024 0 3\n", sizes, samples);
    EXPECT_EQ(samples.at(8).us, (std::vector<double>{0.5, 0.25, 0.75}));
    EXPECT_TRUE(samples.at(8).verified);
    EXPECT_EQ(samples.at(1024).us, (std::vector<double>{2, 3}));
    EXPECT_FALSE(samples.at(1024).verified);
}

TEST(MpiSamples, OfAnotherProgramAreRefused) {
    const std::uint64_t sizes[] = {8, 1024};
    for (const char* text :
         {"", "8 1 0.5\n", "8 1 1\n16 1 1\n", "hello\n", "8 1 1\n1024 1 1\n8 1 1\n"}) {
        std::map<std::uint64_t, MpiSamples> samples;
        EXPECT_THROW(add_samples(text, sizes, samples), Failure) << text;
    }
}

TEST(MpiVerdicts, JudgeLargeAllreducesOfTwoRanksOnly) {
    const auto row = [](const char* work, const char* way, std::uint64_t bytes, double us) {
        Row made;
        made.bench = "mpi";
        made.work = work;
        made.way = way;
        made.ranks = 2;
        made.bytes = bytes;
        made.median_us = us;
        return made;
    };
    const std::vector<Row> rows{
        row("allreduce", "openmpi", 1024, 1),     row("allreduce", "openmpi+onecopy", 1024, 9),
        row("allreduce", "openmpi", 1 << 20, 30), row("allreduce", "openmpi+onecopy", 1 << 20, 20),
        row("allreduce", "openmpi", 4 << 20, 30), row("allreduce", "openmpi+onecopy", 4 << 20, 29),
        row("reduce", "openmpi", 1 << 20, 30),    row("reduce", "openmpi+onecopy", 1 << 20, 20)};
    const std::vector<Verdict> verdicts = judge_mpi(rows);
    ASSERT_EQ(verdicts.size(), 2U);
    EXPECT_DOUBLE_EQ(verdicts[0].value, 1.5);
    EXPECT_TRUE(verdicts[0].ok);
    EXPECT_FALSE(verdicts[1].ok);
}

}  // namespace
}  // namespace onecopy::cli
