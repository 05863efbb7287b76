// onecopy tune: what it keeps, what it says, and what it leaves behind.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "node/ways_file.hpp"
#include "rank_processes.hpp"
#include "run_onecopy.hpp"
#include "support/rights.hpp"

namespace onecopy {
namespace {

using test::run_onecopy;
using test::ScratchDirectory;
using test::ToolRun;
using test::ToolSetup;

/// `onecopy tune` with a cache of its own.
class TuneCommand : public testing::Test {
protected:
    ToolRun tune(std::vector<std::string> options, const std::string& ways = {}) {
        options.insert(options.begin(), "tune");
        return run_onecopy(options, setup(ways));
    }
    [[nodiscard]] ToolSetup setup(const std::string& ways = {}) const {
        return test::after([this, ways] {
            ::setenv("XDG_CACHE_HOME", cache_.path().c_str(), 1);
            ::unsetenv("ONECOPY_WAYS");
            if (!ways.empty()) ::setenv("ONECOPY_WAYS", ways.c_str(), 1);
        });
    }
    /// Files in the cache, wherever.
    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> found;
        for (const auto& each : std::filesystem::recursive_directory_iterator(cache_.path())) {
            if (!each.is_directory()) found.push_back(each.path());
        }
        return found;
    }
    /// A loaded machine is rightly not measured.
    static bool is_refused_by_others(const ToolRun& run) {
        return run.err.find("run it again when less is going on") != run.err.npos;
    }
    static bool has_two_cores() {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        ::sched_getaffinity(0, sizeof cpus, &cpus);
        return CPU_COUNT(&cpus) > 1;
    }

    ScratchDirectory cache_;
};

TEST_F(TuneCommand, KeepsWhatItMeasuredAndRanksReadIt) {
    if (!has_two_cores()) GTEST_SKIP() << "needs two cores";
    const ToolRun run = tune({});
    if (is_refused_by_others(run)) GTEST_SKIP() << run.err;
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find("both-call"), run.out.npos) << run.out;
    ASSERT_EQ(files().size(), 1U);
    struct stat facts {};
    ASSERT_EQ(::stat(files()[0].c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600U);

    node::MeasuredWays ways;
    std::string why;
    ASSERT_TRUE(node::read_ways_file(files()[0], node::machine_facts(), ways, why)) << why;
    EXPECT_TRUE(std::any_of(ways.measured.begin(), ways.measured.end(), [](bool m) { return m; }));

    const ToolRun print = tune({"--print"});
    EXPECT_EQ(print.status, 0) << print.err;
    EXPECT_EQ(print.out.find("from " + files()[0] + "\n"), 0U) << print.out;
    for (std::size_t i = 0; i < os::distances; ++i) {
        EXPECT_NE(print.out.find(node::settings_text(ways.table[i])), print.out.npos) << print.out;
    }
    EXPECT_TRUE(ways.schedules_measured[0]);
    for (const node::ScheduleTable& each : ways.schedules) {
        EXPECT_NE(print.out.find(settings_text(each, '\n')), print.out.npos) << print.out;
    }
}

TEST_F(TuneCommand, ADryRunKeepsNothing) {
    const ToolRun run = tune({"--dry-run"});
    if (is_refused_by_others(run)) GTEST_SKIP() << run.err;
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.out.find("written"), run.out.npos) << run.out;
    EXPECT_TRUE(files().empty());
}

TEST_F(TuneCommand, WithOneCoreThereIsNothingToMeasure) {
    const auto with_cache = setup();
    const ToolRun run = run_onecopy({"tune"}, test::after([&] {
                                        with_cache.before_exec();
                                        const int cpu = ::sched_getcpu();
                                        cpu_set_t one;
                                        CPU_ZERO(&one);
                                        CPU_SET(cpu, &one);
                                        ::sched_setaffinity(0, sizeof one, &one);
                                    }));
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find("one core only"), run.out.npos) << run.out;
    EXPECT_TRUE(files().empty());
}

TEST_F(TuneCommand, WhatWasMeasuredAtOtherDistancesStays) {
    if (!has_two_cores()) GTEST_SKIP() << "needs two cores";
    ::setenv("XDG_CACHE_HOME", cache_.path().c_str(), 1);
    const std::string path = node::ways_path(node::machine_facts());
    ::unsetenv("XDG_CACHE_HOME");
    node::MeasuredWays before;
    before.measured.fill(true);
    for (node::Ways& each : before.table) each.slots = 3;  // which tune never chooses
    std::filesystem::create_directory(cache_ / "onecopy");
    test::make_file(path, node::file_text(before, node::machine_facts()));
    const ToolRun run = tune({});
    if (is_refused_by_others(run)) GTEST_SKIP() << run.err;
    ASSERT_EQ(run.status, 0) << run.err;
    node::MeasuredWays after;
    std::string why;
    ASSERT_TRUE(node::read_ways_file(path, node::machine_facts(), after, why)) << why;
    EXPECT_EQ(files(), std::vector<std::string>{path});
    const auto kept = std::count_if(after.table.begin(), after.table.end(),
                                    [](const node::Ways& each) { return each.slots == 3; });
    EXPECT_GT(kept, 0);
    EXPECT_LT(kept, static_cast<long>(os::distances));
}

TEST_F(TuneCommand, PrintsWhatIsBuiltInAndWhatTheEnvironmentAdds) {
    const ToolRun run = tune({"--print"}, "slots=5,unmapped=call");
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find("built in"), run.out.npos) << run.out;
    EXPECT_NE(run.out.find("and ONECOPY_WAYS=slots=5,unmapped=call\n"), run.out.npos) << run.out;
    EXPECT_NE(run.out.find("same-l3    unmapped=call,shared-from=64K,slot=32K,slots=5\n"),
              run.out.npos)
        << run.out;
}

TEST_F(TuneCommand, TellsWhatIsWrongWithTheEnvironment) {
    const ToolRun run = tune({"--print"}, "slots=500");
    EXPECT_EQ(run.status, 2);
    EXPECT_EQ(run.err.find("onecopy: tune: read ONECOPY_WAYS: \"slots=500\""), 0U) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
}

TEST_F(TuneCommand, TellsWhereItCannotWriteAndLeavesNothing) {
    if (!has_two_cores()) GTEST_SKIP() << "needs two cores";
    test::make_file(cache_ / "onecopy", "in the way");
    const ToolRun run = tune({});
    EXPECT_EQ(run.status, 1);
    EXPECT_EQ(run.out, "") << "before anything is measured";
    EXPECT_EQ(run.err.find("onecopy: tune: write "), 0U) << run.err;
    EXPECT_EQ(files(), std::vector<std::string>{cache_ / "onecopy"});

    const ToolRun homeless = run_onecopy({"tune"}, test::after([] {
                                             ::unsetenv("XDG_CACHE_HOME");
                                             ::unsetenv("HOME");
                                         }));
    EXPECT_EQ(homeless.status, 1);
    EXPECT_EQ(homeless.err.find("onecopy: tune: keep what is measured: "), 0U) << homeless.err;
}

TEST_F(TuneCommand, ThatIsKilledLeavesNoProcessAndNoFile) {
    if (!has_two_cores()) GTEST_SKIP() << "needs two cores";
    // Its ranks, orphaned, become ours, to be waited for.
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    int rounds = 0, times = 0;  // that a rank would have stayed
    for (const unsigned after_ms : {20U, 50U, 100U, 150U, 200U, 250U, 300U, 400U}) {
        ToolSetup killed = setup();
        const auto prepare = killed.before_exec;
        killed.before_exec = [prepare] {
            prepare();
            ::setpgid(0, 0);  // so that its ranks can be found
        };
        pid_t group = 0;
        killed.started = [&](pid_t pid) {
            group = pid;
            ::usleep(1000 * after_ms);
            ::kill(-pid, SIGSTOP);  // ranks that do not end by themselves
            EXPECT_TRUE(test::eventually([&] { return test::stopped(pid) || test::gone(pid); }));
            const std::vector<std::string> ranks = test::children_of(pid);
            ::kill(pid, SIGKILL);
            EXPECT_TRUE(test::eventually([&] { return test::gone(pid); }));
            // The kernel has ended them by now, but for one that was made just before, and will
            // look for itself.
            times += std::any_of(ranks.begin(), ranks.end(), [](const std::string& rank) {
                return test::stopped(std::stoi(rank));
            });
            ::kill(-pid, SIGCONT);
        };
        const ToolRun run = run_onecopy({"tune"}, killed);
        if (run.signal == 0) break;  // it was done already
        EXPECT_EQ(run.signal, SIGKILL);
        ++rounds;
        for (int waits = 0; ::kill(-group, 0) == 0; ++waits) {
            ASSERT_LT(waits, 100'000) << "ranks are left";
            if (::waitpid(-group, nullptr, WNOHANG) <= 0) ::usleep(100);
        }
        EXPECT_TRUE(files().empty());
    }
    EXPECT_LE(2 * times, rounds);
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

}  // namespace
}  // namespace onecopy
