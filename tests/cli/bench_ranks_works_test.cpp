#include "cli/bench_ranks_works.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/bench_leftovers.hpp"
#include "cli/errors.hpp"
#include "os/mapping.hpp"
#include "reports.hpp"
#include "support/child.hpp"

namespace onecopy::cli {
namespace {

/// A few ranks, a few rounds.
RanksBench small(const char* work) {
    RanksBench bench;
    find_ranks_programs(bench);
    bench.works = {work};
    bench.ranks = 6;
    bench.peers = 2;
    bench.rounds = 2;
    bench.guard_ms = bench.start_guard_ms = test::deadlock_guard_ms;
    return bench;
}

Report run(const RanksBench& bench) { return silently(run_ranks_bench, bench); }

std::string failure_of(const RanksBench& bench) {
    try {
        run(bench);
    } catch (const Failure& failure) {
        return failure.what();
    }
    return {};
}

const Figure& figure(const Report& report, std::string_view what, int ranks) {
    static const Figure none;
    const Figure* const found =
        find_figure(report.figures, report.figures.front().work, what, ranks);
    EXPECT_NE(found, nullptr) << what << ' ' << ranks;
    return found != nullptr ? *found : none;
}

class JobsThatEnd : public testing::TestWithParam<std::vector<const char*>> {};

TEST_P(JobsThatEnd, AreStartedMeetExchangeAndEnd) {
    const std::vector<const char*>& names = GetParam();
    const Report report = run(small(names[0]));
    double last = 0;
    for (const char* const what : {"a rank has joined", names[1], names[2]}) {
        const Figure& one = figure(report, what, 6);
        EXPECT_EQ(one.work, names[0]);
        EXPECT_EQ(one.unit, "s");
        EXPECT_EQ(one.count, 6U);
        EXPECT_LE(last, one.worst) << what;
        EXPECT_LE(one.median, one.worst) << what;
        last = one.worst;
    }
    EXPECT_LE(last, figure(report, figure_names::ended, 6).worst);
    EXPECT_GT(last, 0);
    EXPECT_TRUE(report.failures.empty());
}

INSTANTIATE_TEST_SUITE_P(
    BenchRanks, JobsThatEnd,
    testing::Values(std::vector<const char*>{"start", "it has passed the barrier",
                                             "it has its neighbour's message"},
                    std::vector<const char*>{"collectives", "it has passed the allreduce",
                                             "it has passed the allgather"}),
    [](const auto& names) { return std::string(names.param[0]); });

TEST(BenchRanks, ARanksMemoryIsCountedByKindAndAgainstAnEmptyProcess) {
    const Report report = run(small("memory"));
    const double empty = figure(report, "an empty process", 1).median;
    EXPECT_GT(empty, 0);
    for (const int ranks : {3, 6}) {  // who talks to two, alone and in a larger job
        double sum = -empty;
        for (const std::string_view what : {"private: stack", "private: program, libraries",
                                            "private: all else", "its share of the job's memory"}) {
            EXPECT_GT(figure(report, what, ranks).worst, 0) << what;
            sum += figure(report, what, ranks).worst;
        }
        sum += figure(report, "private: heap", ranks).worst;
        sum += figure(report, "its arena's file, without messages", ranks).worst;
        const Figure& above = figure(report, figure_names::above_empty, ranks);
        EXPECT_EQ(above.count, static_cast<std::uint64_t>(ranks));
        EXPECT_GT(above.median, 0);
        EXPECT_LE(above.worst, sum + 0.001);
    }
}

class KilledRanks : public testing::TestWithParam<const char*> {};

TEST_P(KilledRanks, AreNoticedByEverySurvivorAndLeaveNothing) {
    const Report report = run(small(GetParam()));
    EXPECT_TRUE(report.failures.empty()) << report.failures.front();
    for (const int ranks : {2, 4}) {
        EXPECT_EQ(figure(report, figure_names::hanging, ranks).worst, 0);
        EXPECT_EQ(figure(report, figure_names::hanging, ranks).count, 2U);
        EXPECT_EQ(figure(report, figure_names::left, ranks).worst, 0);
    }
    // Four share what cores there are.
    const Figure& crowded = figure(report, figure_names::to_error_crowded, 4);
    EXPECT_EQ(crowded.count, 6U);
    EXPECT_GT(crowded.median, 0);
}

INSTANTIATE_TEST_SUITE_P(BenchRanks, KilledRanks, testing::Values("kill", "kill_collectives"),
                         [](const auto& work) { return std::string(work.param); });

/// A bench of two ranks that are not what they should be.
class ImpostorsOnTheBench : public testing::Test {
protected:
    RanksBench bench(const char* like) {
        ::setenv("ONECOPY_IMPOSTOR", like, 1);
        RanksBench bench = small("kill");
        bench.driver = ONECOPY_RANK_IMPOSTOR;
        bench.rounds = 1;
        bench.kill_ranks = {2};
        return bench;
    }
    ~ImpostorsOnTheBench() override { ::unsetenv("ONECOPY_IMPOSTOR"); }
};

TEST_F(ImpostorsOnTheBench, ASurvivorThatHangsIsAFailureThatEndsTheRoundOnly) {
    RanksBench deaf = bench("deaf");
    deaf.guard_ms = 50;
    deaf.rounds = 2;
    const Report report = run(deaf);
    ASSERT_EQ(report.failures.size(), 2U);
    EXPECT_NE(report.failures[1].find("round 1 of 2 ranks: rank"), std::string::npos)
        << report.failures[1];
    EXPECT_NE(report.failures[1].find("had no error"), std::string::npos) << report.failures[1];
    EXPECT_EQ(figure(report, figure_names::hanging, 2).worst, 1);
    const std::vector<Verdict> verdicts = judge_ranks(report.figures);
    EXPECT_TRUE(std::any_of(verdicts.begin(), verdicts.end(), [](const Verdict& verdict) {
        return verdict.name.find("without the error") != std::string::npos && !verdict.ok;
    }));
}

TEST_F(ImpostorsOnTheBench, AProcessThatKeepsTheJobsMemoryIsFound) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    ASSERT_EQ(::dup2(ends[0], 250), 250);  // inherited
    const Report report = run(bench("heir"));
    ::close(250);
    ::close(ends[0]);
    ::close(ends[1]);
    ASSERT_FALSE(report.failures.empty());
    EXPECT_NE(report.failures[0].find("still has memory of the job"), std::string::npos)
        << report.failures[0];
    EXPECT_EQ(figure(report, figure_names::left, 2).worst, 2);  // each left one
    EXPECT_EQ(figure(report, figure_names::hanging, 2).worst, 0);
}

TEST_F(ImpostorsOnTheBench, WrongBytesAndErrorsWithoutADeathEndTheBench) {
    EXPECT_NE(failure_of(bench("wrong")).find("wrong bytes came"), std::string::npos);
    EXPECT_NE(failure_of(bench("hasty")).find("before anybody was killed"), std::string::npos);
}

TEST(BenchRanks, AMissingProgramIsAFailureThatNamesIt) {
    RanksBench bench = small("start");
    bench.driver.clear();
    EXPECT_NE(failure_of(bench).find("find onecopy-ranks-driver"), std::string::npos);
    bench.driver = "/nowhere/driver";
    EXPECT_NE(failure_of(bench).find("ended with status"), std::string::npos) << failure_of(bench);
}

Figure made(std::string_view what, int ranks, double worst) {
    return {"ranks", "kill", std::string(what), "", ranks, 0, 0, worst, 1};
}

TEST(BenchRanks, TheWorstIsHeldAgainstTheLimits) {
    using namespace figure_names;
    const std::vector<Figure> figures = {made(ended, 1024, 60),
                                         made(ended, 1024, 61),
                                         made(above_empty, 11, 1024),
                                         made(above_empty, 11, 1025),
                                         made(to_error, 2, 100),
                                         made(to_error, 2, 101),
                                         made(to_error_crowded, 4, 500),
                                         made(to_error_crowded, 4, 501),
                                         made(hanging, 2, 0),
                                         made(hanging, 2, 1),
                                         made(left, 2, 0),
                                         made(left, 2, 1),
                                         made(shared_growth, 2, 0.25),
                                         made(shared_growth, 2, 0.26),
                                         made("private: heap", 11, 1e9)};
    const std::vector<Verdict> verdicts = judge_ranks(figures);
    ASSERT_EQ(verdicts.size(), 14U);
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
        EXPECT_EQ(verdicts[i].ok, i % 2 == 0) << verdicts[i].name;
        EXPECT_TRUE(verdicts[i].at_most);
    }
}

TEST(BenchLeftovers, WhoHasAPieceOfMemoryOpenOrMappedIsFoundUntilItsEnd) {
    for (const bool mapped : {false, true}) {
        const int memory = ::memfd_create("onecopy-test", MFD_CLOEXEC);
        ASSERT_EQ(::ftruncate(memory, 4096), 0);
        struct stat facts {};
        ::fstat(memory, &facts);
        const std::array<std::uint64_t, 2> inodes = {0, facts.st_ino};
        std::array<int, 2> ready{};
        ASSERT_EQ(::pipe2(ready.data(), O_CLOEXEC), 0);
        const pid_t child = ::fork();
        if (child == 0) {
            os::Mapping view;
            if (mapped) {
                view = os::Mapping(4096, PROT_READ, MAP_SHARED, memory);
                ::close(memory);
            }
            [[maybe_unused]] const ssize_t told = ::write(ready[1], "", 1);
            for (;;) ::pause();
        }
        char byte = 0;
        ASSERT_EQ(::read(ready[0], &byte, 1), 1);
        EXPECT_EQ(holders_of_memory(inodes), std::vector<pid_t>{child}) << mapped;
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        EXPECT_TRUE(holders_of_memory(inodes).empty());
        for (const int fd : {memory, ready[0], ready[1]}) ::close(fd);
    }
}

TEST(BenchReport, FiguresAndUpperLimitsAreInTheJson) {
    Report report;
    std::vector<double> samples = {3, 1, 2};
    report.figures.push_back(make_figure("ranks", "kill", "time", "ms", 4, samples));
    report.verdicts.push_back({"early enough", 3, 100, true, true});
    const auto json = nlohmann::json::parse(to_json(report));
    const auto& figure = json.at("figures").at(0);
    EXPECT_EQ(figure.at("what"), "time");
    EXPECT_EQ(figure.at("unit"), "ms");
    EXPECT_EQ(figure.at("ranks"), 4);
    EXPECT_EQ(figure.at("median"), 2);
    EXPECT_NEAR(figure.at("p99").get<double>(), 2.98, 0.001);
    EXPECT_EQ(figure.at("worst"), 3);
    EXPECT_EQ(figure.at("count"), 3);
    EXPECT_EQ(json.at("verdicts").at(0).at("bound"), "at most");
    EXPECT_FALSE(nlohmann::json::parse(to_json(Report{})).contains("figures"));
}

TEST(BenchReport, AFailureIsToldAfterTheReport) {
    Report report;
    report.failures = {"round 3 hangs", "round 4 hangs"};
    std::FILE* nowhere = std::fopen("/dev/null", "we");
    try {
        finish_report(nowhere, "bench ranks", report, {});
        ADD_FAILURE() << "it was not";
    } catch (const Failure& failure) {
        EXPECT_STREQ(failure.what(), "bench ranks: round 3 hangs");
    }
    std::fclose(nowhere);
}

}  // namespace
}  // namespace onecopy::cli
