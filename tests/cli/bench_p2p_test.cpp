#include "cli/bench_p2p.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "cli/bench_jobs.hpp"
#include "cli/bench_p2p_ways.hpp"
#include "cli/bench_program.hpp"
#include "reports.hpp"

namespace onecopy::cli {
namespace {

/// One block of a few messages of every work. These three ways need no package.
P2pBench small(std::vector<std::string> ways = {"memcpy", "unix", "pipe"}) {
    P2pBench bench;
    bench.works.assign(p2p_work_names().begin(), p2p_work_names().end());
    bench.ways = std::move(ways);
    bench.sizes = {8, 5000};
    bench.rounds = 1;
    return bench;
}

Report run(const P2pBench& bench) { return silently(run_p2p_bench, bench); }

/// A program that is started instead of a driver: a shell script, gone at the end.
class Script {
public:
    explicit Script(const std::string& text) {
        path_ = std::filesystem::temp_directory_path() /
                ("onecopy-p2p-script-" + std::to_string(::getpid()));
        std::ofstream(path_) << "#!/bin/sh\n" << text << '\n';
        ::chmod(path_.c_str(), 0700);
    }
    Script(const Script&) = delete;
    Script& operator=(const Script&) = delete;
    ~Script() { std::filesystem::remove(path_); }

    /// A bench of one work in which it is the driver of `way`.
    [[nodiscard]] P2pBench bench(const std::string& way, std::vector<std::string> ways) const {
        P2pBench bench = small(std::move(ways));
        bench.works = {"bandwidth"};
        bench.instead[way] = {path_.string(), "{control}"};
        return bench;
    }

private:
    std::filesystem::path path_;
};

void expect_all_rows(const P2pBench& bench, const Report& report) {
    std::size_t expected = 0;
    for (const std::string& way : bench.ways) {
        if (!reason(report, way).empty()) continue;
        for (const std::string& work : bench.works) {
            if (!does(way, work)) continue;
            for (const int ranks : bench.ranks) {
                for (const std::uint64_t bytes : p2p_sizes(bench, work, ranks)) {
                    ++expected;
                    const Row* row = find_row(report.rows, work, way, ranks, bytes);
                    ASSERT_NE(row, nullptr) << work << ' ' << way << ' ' << ranks << ' ' << bytes;
                    EXPECT_EQ(row->bench, "p2p");
                    EXPECT_TRUE(row->verified)
                        << work << ' ' << way << ' ' << ranks << ' ' << bytes;
                    EXPECT_GT(row->repetitions, 0U);
                    EXPECT_GT(row->median_us, 0) << work << ' ' << way << ' ' << ranks;
                }
            }
        }
    }
    const auto stayed = [&](const Row& row) { return reason(report, row.way).empty(); };
    EXPECT_EQ(std::count_if(report.rows.begin(), report.rows.end(), stayed),
              static_cast<std::ptrdiff_t>(expected))
        << testing::PrintToString(report.notes);
}

/// What may keep a way from being measured by this build on this machine. A RouDi of somebody else
/// may lend too little, or end.
bool may_be_left_out(const std::string& way, const Report& report) {
    const std::string why = reason(report, way);
    if (why.find("is not built") != std::string::npos) {
        const auto ways = p2p_ways();
        return std::any_of(ways.begin(), ways.end(), [&](const JobWay& one) {
            return one.name == way && find_beside_tool(one.driver).empty();
        });
    }
    return why.empty() || why.find("(Debian: ") != std::string::npos ||
           (way == "iceoryx" && names(report, "a RouDi was running"));
}

TEST(BenchP2p, MeasuresAndVerifiesEveryWorkInEveryWayThatIsThere) {
    const auto ways = names_of(p2p_ways());
    const P2pBench bench = small({ways.begin(), ways.end()});
    const Report report = run(bench);
    expect_all_rows(bench, report);
    for (const char* const way : {"memcpy", "unix", "pipe"}) EXPECT_EQ(reason(report, way), "");
    for (const std::string& way : bench.ways) {
        EXPECT_TRUE(may_be_left_out(way, report)) << reason(report, way);
        if (!reason(report, way).empty()) continue;
        EXPECT_NE(report.machine.libraries.count("p2p " + way), 0U) << way;
    }
}

TEST(BenchP2p, MoreRanksThanCoresWorkInPairsOrAllSendToTheFirst) {
    P2pBench bench = small();
    bench.ranks = {4, 6};
    const Report report = run(bench);
    expect_all_rows(bench, report);
    const Row* incast = find_row(report.rows, "incast", "unix", 6, 5000);
    ASSERT_NE(incast, nullptr);
    EXPECT_NEAR(incast->gb_per_s * incast->median_us * 1e3, 5 * 5000, 1);
    const Row* pairs = find_row(report.rows, "bandwidth", "unix", 6, 5000);
    ASSERT_NE(pairs, nullptr);
    EXPECT_NEAR(pairs->gb_per_s * pairs->median_us * 1e3, 3 * 5000, 1);
}

TEST(BenchP2p, AMessageWithAWrongByteIsNotVerifiedInAnyWork) {
    for (const char* const spoiled : {"unix", "memcpy"}) {
        P2pBench bench = small();
        bench.ranks = {2, 4};  // incast needs more than two
        bench.corrupt = spoiled;
        for (const Row& row : run(bench).rows) {
            EXPECT_EQ(row.verified, row.way != spoiled)
                << row.work << ' ' << row.way << ' ' << row.ranks << ' ' << row.bytes;
        }
    }
}

TEST(BenchP2p, AWayThatCannotBeStartedIsLeftOutWithItsReason) {
    P2pBench bench = small({"unix", "pipe"});
    bench.works = {"bandwidth"};
    bench.instead["pipe"] = {"/nowhere/driver", "{control}"};
    const Report report = run(bench);
    EXPECT_NE(reason(report, "pipe").find("/nowhere/driver: No such file"), std::string::npos)
        << reason(report, "pipe");
    expect_all_rows(bench, report);
    EXPECT_EQ(report.rows.size(), 2U);
}

TEST(BenchP2p, AWayThatEndsAtOnceIsLeftOutWithWhatItSaid) {
    const Script script("echo -----; echo no licence; exit 3");
    const Report report = run(script.bench("pipe", {"unix", "pipe"}));
    EXPECT_NE(reason(report, "pipe").find("ended with status 3: no licence"), std::string::npos)
        << reason(report, "pipe");
    EXPECT_EQ(report.rows.size(), 2U);
}

TEST(BenchP2p, AWayThatDoesNotComeUpIsLeftOutUnderTheGuard) {
    const Script script("exec sleep 1000");
    P2pBench bench = script.bench("pipe", {"unix", "pipe"});
    bench.guard_ms = 2'000;
    const Report report = run(bench);
    EXPECT_NE(reason(report, "pipe").find("did not come up within 2 s"), std::string::npos)
        << reason(report, "pipe");
    EXPECT_EQ(report.rows.size(), 2U);
}

TEST(BenchP2p, AWayWhoseRankDiesOnTheWayIsLeftOutFromThereOn) {
    // By pipes: the other rank notices nothing, and waits.
    const std::string driver = find_beside_tool("onecopy-p2p-pipe");
    ASSERT_NE(driver, "");
    const Script script("if [ \"$2\" = 0 ]; then (sleep 0.5; kill -9 $$) & fi; exec " + driver +
                        " \"$@\"");
    P2pBench bench = script.bench("pipe", {"pipe"});
    bench.rounds = 1'000'000;  // longer than it lives
    const Report report = run(bench);
    EXPECT_NE(reason(report, "pipe").find("ended by signal 9"), std::string::npos)
        << reason(report, "pipe");
    EXPECT_TRUE(report.rows.empty());
}

TEST(BenchP2p, AWayThatIsNotBuiltNamesItsPackages) {
    const JobWay way{"nanomsg", "onecopy-p2p-nanomsg", "libnanomsg-dev"};
    try {
        plan_of(way, 2, 2);
        ADD_FAILURE() << "it has a driver";
    } catch (const JobLost& lost) {
        EXPECT_STREQ(lost.what(),
                     "onecopy-p2p-nanomsg is not built or not installed (Debian: libnanomsg-dev)");
    }
}

TEST(BenchP2p, StreamsHoldWhatFitsAndAnIncastNeedsMoreThanTwo) {
    P2pBench bench = small();
    bench.sizes = {64, 1U << 20, 2U << 20};
    EXPECT_EQ(p2p_sizes(bench, "stream", 2), (std::vector<std::uint64_t>{64, 1U << 20}));
    EXPECT_EQ(p2p_sizes(bench, "bandwidth", 2), bench.sizes);
    EXPECT_EQ(p2p_sizes(bench, "message_rate", 2), std::vector<std::uint64_t>{8});
    EXPECT_TRUE(p2p_sizes(bench, "incast", 2).empty());
    EXPECT_EQ(p2p_sizes(bench, "incast", 4), bench.sizes);
}

}  // namespace
}  // namespace onecopy::cli
