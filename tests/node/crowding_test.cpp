// Whether ranks have a core each: by what they tell of themselves, and by being put off it.
#include "node/crowding.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <initializer_list>
#include <thread>

#include "node/patience.hpp"
#include "support/child.hpp"

namespace onecopy::test {
namespace {

using node::Crowding;
using node::JobMemory;
using node::RankLine;

/// Joins `rank` on these cores, of a control group.
void join(const JobMemory& memory, int rank, std::initializer_list<int> cpus,
          std::uint64_t millicores = UINT64_MAX, std::uint64_t group = 0) {
    RankLine& line = memory.line(rank);
    for (const int cpu : cpus) line.cpus[0] |= std::uint64_t{1} << cpu;
    line.quota_millicores = millicores;
    line.quota_group = group;
    line.stage.store(node::Stage::here);
}

TEST(Crowding, IsNoneWhereEachRankHasACore) {
    const JobMemory memory = JobMemory::create(2);
    join(memory, 0, {0});
    join(memory, 1, {1});
    EXPECT_FALSE(Crowding(memory, 0).now());
}

TEST(Crowding, IsWhereTwoRanksAreBoundToOneCore) {
    const JobMemory memory = JobMemory::create(3);
    join(memory, 0, {1});
    join(memory, 1, {0, 1, 2, 3});
    Crowding crowding(memory, 0);
    EXPECT_FALSE(crowding.now());
    join(memory, 2, {1});
    EXPECT_TRUE(crowding.now());
}

TEST(Crowding, IsWhereAllTogetherHaveFewerCores) {
    const JobMemory memory = JobMemory::create(3);
    for (int rank = 0; rank < 3; ++rank) join(memory, rank, {0, 1});
    EXPECT_TRUE(Crowding(memory, 1).now());
}

TEST(Crowding, IsWhereAControlGroupGivesThemLessTime) {
    const JobMemory memory = JobMemory::create(2);
    join(memory, 0, {0}, 1500, 7);
    join(memory, 1, {1}, 1500, 7);
    EXPECT_TRUE(Crowding(memory, 0).now());
}

TEST(Crowding, IsNoneWhereEachHasAControlGroupWithTimeEnough) {
    const JobMemory memory = JobMemory::create(2);
    join(memory, 0, {0}, 1000, 7);
    join(memory, 1, {1}, 1000, 8);
    EXPECT_FALSE(Crowding(memory, 0).now());
}

TEST(Crowding, IsForAWhileAfterARankWasPutOffItsCore) {
    const JobMemory memory = JobMemory::create(2);
    join(memory, 0, {0});
    join(memory, 1, {1});
    Crowding crowding(memory, 0);
    ASSERT_FALSE(crowding.now());
    crowding.was_preempted();
    EXPECT_TRUE(crowding.now());
    EXPECT_TRUE(eventually([&] { return !crowding.now(); }));
}

TEST(Patience, NoticesThatSomebodyElseWantsTheCore) {
    cpu_set_t before, one;
    ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    std::atomic<bool> stop{false};
    std::thread other([&] {  // on the same core, as it inherits that
        while (!stop.load(std::memory_order_relaxed)) {
        }
    });
    const bool noticed = eventually([&] {
        node::Patience patience(false);
        while (!patience.is_over() && !patience.was_preempted()) patience.pause();
        return patience.was_preempted();
    });
    stop.store(true);
    other.join();
    ::sched_setaffinity(0, sizeof before, &before);
    EXPECT_TRUE(noticed);
}

}  // namespace
}  // namespace onecopy::test
