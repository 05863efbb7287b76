// Which pages a dump reads; on mappings of this very process.
#include "cli/page_plan.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "cli/judge_region.hpp"
#include "os/fd.hpp"
#include "support/memory.hpp"

namespace onecopy::cli {
namespace {

using test::Memory;
using test::page;

os::Region region_at(std::uint64_t address) {
    std::error_code error;
    for (const os::Region& region : os::read_regions("/proc/self", error)) {
        if (region.begin <= address && address < region.end) return region;
    }
    return {};
}

PagePlan plan(const os::Region& region, bool everything = false) {
    os::PageMap page_map("/proc/self");
    return plan_pages("/proc/self", region, mounts_of(::getpid()), page_map, everything);
}

bool covers(const PagePlan& pages, std::uint64_t address) {
    return std::any_of(pages.runs.begin(), pages.runs.end(), [&](const PageRun& run) {
        return run.begin <= address && address < run.end;
    });
}

TEST(PagePlan, OfAnonymousMemoryOnlyTouchedPagesAreRead) {
    const Memory memory(64 * page);
    memory.data()[3 * page] = std::byte{1};
    memory.data()[40 * page] = std::byte{1};
    const PagePlan pages = plan(region_at(memory.address()));
    EXPECT_TRUE(covers(pages, memory.address(3 * page)));
    EXPECT_TRUE(covers(pages, memory.address(40 * page)));
    EXPECT_FALSE(covers(pages, memory.address(20 * page)));
    EXPECT_EQ(pages.unknown_bytes, 0U);
    EXPECT_EQ(plan(region_at(memory.address()), true).runs, pages.runs)
        << "terabytes may be reserved: what is known to be zeros is never read";
}

TEST(PagePlan, OfAMemfdWhatAnybodyWroteIsReadAndItsHolesAreNot) {
    const os::Fd fd(::memfd_create("onecopy-test", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(64 * page)), 0);
    const Memory memory(64 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get());
    ASSERT_EQ(::pwrite(fd.get(), "x", 1, static_cast<off_t>(30 * page)), 1);
    const PagePlan pages = plan(region_at(memory.address()));
    EXPECT_TRUE(covers(pages, memory.address(30 * page))) << "written, but never by this mapping";
    EXPECT_FALSE(covers(pages, memory.address(10 * page)));
    EXPECT_EQ(pages.unknown_bytes, 0U);
    EXPECT_TRUE(covers(plan(region_at(memory.address()), true), memory.address(10 * page)));
}

TEST(PagePlan, APartOfAMemfdIsJudgedAtItsOwnOffset) {
    const os::Fd fd(::memfd_create("onecopy-test", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(64 * page)), 0);
    void* at =
        ::mmap(nullptr, 8 * page, PROT_READ, MAP_SHARED, fd.get(), static_cast<off_t>(32 * page));
    ASSERT_NE(at, MAP_FAILED);
    ASSERT_EQ(::pwrite(fd.get(), "x", 1, static_cast<off_t>(34 * page)), 1);
    ASSERT_EQ(::pwrite(fd.get(), "x", 1, static_cast<off_t>(2 * page)), 1);
    ASSERT_EQ(::pwrite(fd.get(), "x", 1, static_cast<off_t>(50 * page)), 1);
    const auto address = reinterpret_cast<std::uintptr_t>(at);
    const PagePlan pages = plan(region_at(address));
    EXPECT_EQ(pages.runs, (std::vector<PageRun>{{address + 2 * page, address + 3 * page}}));
    ::munmap(at, 8 * page);
}

TEST(PagePlan, OrdinaryFilesAreReadWhole) {
    std::error_code error;
    for (const os::Region& region : os::read_regions("/proc/self", error)) {
        if (region.inode == 0 || !region.readable ||
            is_shared_memory(region, mounts_of(::getpid())))
            continue;
        EXPECT_EQ(plan(region).runs, (std::vector<PageRun>{{region.begin, region.end}}));
    }
}

RC_GTEST_PROP(PagePlan, MergedRunsHoldExactlyThePagesOfBoth, ()) {
    const auto some_runs = [] {
        std::vector<PageRun> runs;
        std::uint64_t at = 0;
        for (const auto& [gap, length] : *rc::gen::container<std::vector<std::pair<int, int>>>(
                 rc::gen::pair(rc::gen::inRange(0, 4), rc::gen::inRange(1, 4)))) {
            runs.push_back({at + gap, at + gap + length});
            at = runs.back().end;
        }
        return runs;
    };
    const auto cells = [](const std::vector<PageRun>& runs) {
        std::set<std::uint64_t> all;
        for (const PageRun& run : runs) {
            for (std::uint64_t cell = run.begin; cell < run.end; ++cell) all.insert(cell);
        }
        return all;
    };
    const std::vector<PageRun> a = some_runs();
    const std::vector<PageRun> b = some_runs();
    std::set<std::uint64_t> expected = cells(a);
    expected.merge(cells(b));
    const std::vector<PageRun> both = merged(a, b);
    RC_ASSERT(cells(both) == expected);
    for (std::size_t i = 1; i < both.size(); ++i) RC_ASSERT(both[i - 1].end < both[i].begin);
}

TEST(PagePlan, NeighboursWithinTheGapAreJoined) {
    EXPECT_EQ(joined({{0, 1}, {3, 4}, {9, 10}}, 3), (std::vector<PageRun>{{0, 4}, {9, 10}}));
}

}  // namespace
}  // namespace onecopy::cli
