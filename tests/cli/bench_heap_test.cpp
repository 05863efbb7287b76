#include "cli/bench_heap.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "cli/bench_plot.hpp"
#include "cli/errors.hpp"
#include "reports.hpp"

namespace onecopy::cli {
namespace {

/// A few short blocks of everything.
HeapBench small() {
    HeapBench bench;
    find_heap_programs(bench);
    bench.works.assign(heap_work_names().begin(), heap_work_names().end());
    bench.ways.assign(heap_way_names().begin(), heap_way_names().end());
    bench.sizes = {64U << 10, 1U << 20};
    bench.fork_sizes = {0, 1U << 20};
    bench.processes = 1;
    bench.blocks = 2;
    bench.block_us = 100;
    return bench;
}

Report run(const HeapBench& bench) { return silently(run_heap_bench, bench); }

/// A program that is started instead of the driver: a shell script, gone at the end.
class Script {
public:
    explicit Script(const char* text) {
        path_ = std::filesystem::temp_directory_path() /
                ("onecopy-heap-script-" + std::to_string(::getpid()));
        std::ofstream(path_) << "#!/bin/sh\n" << text << '\n';
        ::chmod(path_.c_str(), 0700);
    }
    Script(const Script&) = delete;
    Script& operator=(const Script&) = delete;
    ~Script() { std::filesystem::remove(path_); }

    /// A bench of one work that runs it.
    [[nodiscard]] HeapBench bench() const {
        HeapBench bench = small();
        bench.works = {"loop"};
        bench.ways = {"malloc"};
        bench.driver = path_.string();
        return bench;
    }

private:
    std::filesystem::path path_;
};

std::string failure_of(const HeapBench& bench) {
    try {
        run(bench);
    } catch (const Failure& failure) {
        return failure.what();
    }
    return {};
}

TEST(BenchHeap, MeasuresAndVerifiesEveryWorkInEveryWay) {
    const HeapBench bench = small();
    ASSERT_NE(bench.driver, "");
    const Report report = run(bench);
    std::size_t expected = 0;
    for (const std::string& work : bench.works) {
        std::vector<std::uint64_t> sizes = bench.sizes;
        if (work == "fork") sizes = bench.fork_sizes;
        if (work.starts_with("realloc")) sizes = {bench.sizes.back()};
        for (const std::string& way : bench.ways) {
            if (way == "onecopy" && bench.library.empty()) continue;
            for (const std::uint64_t bytes : sizes) {
                ++expected;
                const Row* row = find_row(report.rows, work, way, work == "threads" ? 2 : 1, bytes);
                ASSERT_NE(row, nullptr) << work << ' ' << way << ' ' << bytes;
                EXPECT_EQ(row->bench, "heap");
                // Where malloc decides only where the pages lie, eight times as many processes.
                EXPECT_EQ(row->repetitions, work == "update" || work == "copy" ? 16U : 2U) << work;
                EXPECT_TRUE(row->verified) << work << ' ' << way << ' ' << bytes;
                EXPECT_GT(row->median_us, 0) << work << ' ' << way << ' ' << bytes;
            }
        }
    }
    EXPECT_EQ(report.rows.size(), expected);
    EXPECT_TRUE(names(report, "shmem_enabled"));
    EXPECT_TRUE(names(report, "Not measured"));
}

TEST(BenchHeap, WithoutTheLibraryItsWayIsLeftOutWithANote) {
    HeapBench bench = small();
    bench.works = {"loop"};
    bench.library.clear();
    const Report report = run(bench);
    EXPECT_EQ(report.rows.size(), bench.sizes.size());
    EXPECT_TRUE(names(report, "onecopy is left out: libonecopy_heap.so is not built"));
    EXPECT_TRUE(judge_heap(report.rows).empty());
}

TEST(BenchHeap, TheLibraryIsPreloadedInItsWayAndInNoOther) {
    const Script script(
        "while read line; do case \"$LD_PRELOAD\" in *onecopy_some.so*) echo 1 2;; *) echo 1 1;; "
        "esac; done");
    HeapBench bench = script.bench();
    bench.ways = {"malloc", "onecopy"};
    bench.library = "/nowhere/onecopy_some.so";  // the loader says so, and goes on without
    for (const Row& row : run(bench).rows) {
        EXPECT_EQ(row.median_us, row.way == "onecopy" ? 2 : 1);
    }
}

TEST(BenchHeap, WrongBytesInTheProgramAreNotVerified) {
    const Script script("while read line; do echo 0 1.5; done");
    for (const Row& row : run(script.bench()).rows) EXPECT_FALSE(row.verified);
}

TEST(BenchHeap, AProgramThatEndsEarlyIsAFailureInOneLine) {
    const Script script("read line; exit 3");
    const std::string line = failure_of(script.bench());
    EXPECT_NE(line.find("bench heap: run"), std::string::npos) << line;
    EXPECT_NE(line.find("it ended early"), std::string::npos) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
}

TEST(BenchHeap, AnAnswerThatIsNoneIsAFailureInOneLine) {
    const Script script("while read line; do echo what; done");
    EXPECT_NE(failure_of(script.bench()).find("answered \"what\""), std::string::npos);
}

TEST(BenchHeap, AMissingProgramIsAFailureThatNamesIt) {
    HeapBench bench = small();
    bench.driver.clear();
    EXPECT_NE(failure_of(bench).find("find onecopy-heap-driver"), std::string::npos);
    bench.driver = "/nowhere/onecopy-heap-driver";
    EXPECT_NE(failure_of(bench).find("No such file"), std::string::npos);
}

Row row(std::string work, std::string way, std::uint64_t bytes, double median_us) {
    return row_of("heap", std::move(work), std::move(way), 1, bytes, median_us);
}

TEST(BenchHeap, LoopsOfOneToSixtyFourMegabytesMayBeThreePercentSlower) {
    constexpr std::uint64_t mib = 1U << 20;
    std::vector<Row> rows;
    for (const std::uint64_t bytes : {mib / 4, mib, 64 * mib, 128 * mib}) {
        rows.push_back(row("loop", "malloc", bytes, 100));
        rows.push_back(row("loop", "onecopy", bytes, bytes == mib ? 102.9 : 103.1));
    }
    rows.push_back(row("touch", "malloc", mib, 100));
    rows.push_back(row("touch", "onecopy", mib, 200));
    const std::vector<Verdict> verdicts = judge_heap(rows);
    ASSERT_EQ(verdicts.size(), 2U);
    EXPECT_TRUE(verdicts[0].ok);
    EXPECT_NE(verdicts[0].name.find("1 MiB"), std::string::npos);
    EXPECT_FALSE(verdicts[1].ok);
}

TEST(BenchHeap, APlotLeavesOutWhatHasNoSpeed) {
    Report report;
    report.rows = {row("loop", "malloc", 4096, 1), row("fork", "malloc", 0, 1)};
    report.rows.back().gb_per_s = 0;
    const std::string script = plot_script(report, "a.svg");
    EXPECT_NE(script.find("'loop"), std::string::npos);
    EXPECT_EQ(script.find("'fork"), std::string::npos);
    EXPECT_EQ(script.find("xrange [0:"), std::string::npos);
}

}  // namespace
}  // namespace onecopy::cli
