#include "cli/bench_transfer.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "cli/bench_timing.hpp"
#include "reports.hpp"
#include "support/child.hpp"
#include "support/rights.hpp"

namespace onecopy::cli {
namespace {

/// A few messages of every kind.
TransferBench small(std::vector<std::string> works = {"read", "write", "reduce", "incast"}) {
    TransferBench bench;
    bench.works = std::move(works);
    bench.ways.assign(transfer_way_names().begin(), transfer_way_names().end());
    bench.sizes = {8, 4096};
    bench.repetitions = 3;
    return bench;
}

Report run(const TransferBench& bench) { return silently(run_transfer_bench, bench); }

TEST(BenchTransfer, MeasuresAndVerifiesEveryWayInEveryWork) {
    const TransferBench bench = small();
    const Report report = run(bench);
    std::size_t expected = 0;
    for (const std::string& work : bench.works) {
        for (const std::string& way : bench.ways) {
            if (!does(way, work_named(work))) continue;
            for (const int ranks : work == "incast" ? std::vector{2, 3, 5, 9} : std::vector{2}) {
                for (const std::uint64_t bytes : bench.sizes) {
                    ++expected;
                    const Row* row = find_row(report.rows, work, way, ranks, bytes);
                    ASSERT_NE(row, nullptr) << work << ' ' << way << ' ' << ranks << ' ' << bytes;
                    EXPECT_EQ(row->bench, "transfer");
                    EXPECT_EQ(row->repetitions, 3U);
                    EXPECT_TRUE(row->verified) << work << ' ' << way << ' ' << ranks;
                    EXPECT_GE(row->median_us, 0);
                    EXPECT_LE(row->p10_us, row->median_us);
                    EXPECT_LE(row->median_us, row->p90_us);
                }
            }
        }
    }
    EXPECT_EQ(report.rows.size(), expected);
}

TEST(BenchTransfer, AnOddNumberOfBytesLargerThanTheRingArrivesToTheLastOne) {
    TransferBench bench = small({"read", "write", "incast"});
    bench.sizes = {1, 5 * Ring::slot_bytes * Ring::slots + 4097};  // and many shared chunks
    bench.repetitions = 2;
    for (const Row& row : run(bench).rows) EXPECT_TRUE(row.verified) << row.work << ' ' << row.way;
}

TEST(BenchTransfer, AWrongByteIsNoticedInItsWayAndInNoOther) {
    for (const char* corrupt : {"process_vm", "onecopy", "double_copy", "mapped_cooperative"}) {
        TransferBench bench = small();
        bench.corrupt = corrupt;
        for (const Row& row : run(bench).rows) {
            EXPECT_EQ(row.verified, row.way != corrupt) << row.work << ' ' << row.way;
        }
    }
}

TEST(BenchTransfer, AWayThatIsRefusedIsLeftOutWithItsReason) {
    struct Outcome {
        bool refused_rows;
        bool other_rows;
        bool note;
    };
    const auto outcome = test::forked([] {
        const std::array refusals = {test::Refusal{SYS_process_vm_readv, EPERM},
                                     test::Refusal{SYS_vmsplice, ENOSYS}};
        Outcome seen{};
        if (test::refuse(refusals) != 0) return seen;
        const Report report = run(small({"read"}));
        for (const Row& row : report.rows) {
            const bool refused = row.way == "process_vm" || row.way == "vmsplice";
            (refused ? seen.refused_rows : seen.other_rows) = true;
        }
        seen.note = names(report, "read: process_vm is left out") &&
                    names(report, "Operation not permitted") &&
                    names(report, "read: vmsplice is left out") &&
                    names(report, "Function not implemented");
        return seen;
    });
    EXPECT_FALSE(outcome.refused_rows);
    EXPECT_TRUE(outcome.other_rows);
    EXPECT_TRUE(outcome.note);
}

TEST(BenchTransfer, WhereNoArenaCanBeMadeTheWaysThroughItAreLeftOut) {
    struct Outcome {
        bool mapped_rows;
        bool other_rows;
        int notes;
    };
    const auto outcome = test::forked([] {
        const std::array refusals = {test::Refusal{SYS_memfd_create, EPERM}};
        Outcome seen{};
        if (test::refuse(refusals) != 0) return seen;
        const Report report = run(small({"read", "reduce"}));
        for (const Row& row : report.rows) {
            (row.way.starts_with("mapped") ? seen.mapped_rows : seen.other_rows) = true;
        }
        for (const std::string& note : report.notes) {
            seen.notes += note.find("mapped") != std::string::npos &&
                                  note.find("is left out, refused here") != std::string::npos
                              ? 1
                              : 0;
        }
        return seen;
    });
    EXPECT_FALSE(outcome.mapped_rows);
    EXPECT_TRUE(outcome.other_rows);
    EXPECT_EQ(outcome.notes, 6);
}

Row row_of(std::string way, std::uint64_t bytes, double median_us) {
    return {"transfer", "read", std::move(way),   2,   bytes, median_us, median_us,
            median_us,  1.0,    std::uint64_t{3}, true};
}

TEST(BenchTransfer, MappedReadsAreHeldAgainstTheCallTheCeilingAndEachOther) {
    std::vector<Row> rows;
    for (const std::uint64_t bytes : {32U << 10, 64U << 10, 1U << 20, 4U << 20, 8U << 20}) {
        rows.push_back(row_of("process_vm", bytes, 260));
        rows.push_back(row_of("memcpy", bytes, 85));
        rows.push_back(row_of("mapped", bytes, 100));
        rows.push_back(row_of("mapped_cooperative", bytes, 60));
    }
    const std::vector<Verdict> verdicts = judge_transfer(rows);
    ASSERT_EQ(verdicts.size(), 7U);
    for (const Verdict& verdict : verdicts) {
        const auto says = [&](const char* words) {
            return verdict.name.find(words) != std::string::npos;
        };
        EXPECT_FALSE(says("32 KiB") || says("8 MiB")) << verdict.name;
        EXPECT_EQ(verdict.ok, !says("over that of memcpy")) << verdict.name;
        EXPECT_TRUE(!says("mapped_cooperative") || says("read of 1 MiB")) << verdict.name;
    }
}

TEST(BenchTransfer, OnOneCoreEverythingStillArrives) {
    const auto all_right = test::forked([] {
        bind_to_cpu(usable_cpus().front());
        TransferBench bench = small();
        bench.sizes = {8, 1U << 18};
        const Report report = run(bench);
        return !report.rows.empty() && report.verdicts.empty() &&
               std::all_of(report.rows.begin(), report.rows.end(),
                           [](const Row& row) { return row.verified; });
    });
    EXPECT_TRUE(all_right);
}

TEST(BenchTransfer, AnIncastBeyondItsMemoryIsLeftOutWithANote) {
    TransferBench bench = small({"incast"});
    bench.ways = {"memcpy"};
    bench.sizes = {incast_bytes / 2};
    bench.repetitions = 1;
    const Report report = run(bench);
    ASSERT_EQ(report.rows.size(), 2U);
    EXPECT_EQ(report.rows[0].ranks, 2);
    EXPECT_EQ(report.rows[1].ranks, 3);
    EXPECT_TRUE(names(report, "incast of 8 senders is left out above 8 MiB each"));
}

TEST(BenchTransfer, AnIncastStandsSideBySideByWriteMappedRingAndVmsplice) {
    for (const char* const way : {"process_vm", "mapped", "double_copy", "vmsplice"}) {
        EXPECT_TRUE(does(way, Work::incast)) << way;
    }
    TransferBench bench = small({"incast"});
    bench.ways = {"mapped"};
    bench.sizes = {65536};  // from where an incast is judged
    const Report report = run(bench);
    ASSERT_EQ(report.rows.size(), 4U);
    for (const Row& row : report.rows) EXPECT_TRUE(row.verified) << row.ranks;
}

TEST(BenchTransfer, AnIncastIsJudgedAtTheLargestSizeThatCachesHold) {
    TransferBench bench = small({"incast"});
    bench.ways = {"process_vm"};
    bench.sizes = {4096, 65536, 131072, 524288};
    const Report report = run(bench);
    if (report.machine.cores < 2) GTEST_SKIP() << "one core";
    ASSERT_EQ(report.verdicts.size(), 3U);
    for (const Verdict& verdict : report.verdicts) {
        EXPECT_NE(verdict.name.find("128 KiB"), std::string::npos) << verdict.name;
        EXPECT_GT(verdict.value, 0);
    }
}

}  // namespace
}  // namespace onecopy::cli
