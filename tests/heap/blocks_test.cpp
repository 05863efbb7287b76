// The table of block lengths, and the list of just freed blocks.
#include "heap/blocks.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "heap/recent.hpp"

namespace onecopy::heap {
namespace {

constexpr std::size_t page = 4096;

/// Addresses of an arena that is never touched.
class BlockTable : public testing::Test {
protected:
    os::Mapping arena_{std::size_t{1} << 36, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE};
    Blocks blocks_{arena_.bytes(), page};
    [[nodiscard]] std::byte* at(std::size_t index) const { return arena_.data() + index * page; }
};

TEST_F(BlockTable, KnowsABlockByItsFirstAddressOnly) {
    const std::size_t last = arena_.size() / page - 1;
    blocks_.set(at(7), {3, 3});
    blocks_.set(at(last), {1, 1});
    EXPECT_EQ(blocks_.at(at(7)).pages, 3U);
    EXPECT_EQ(blocks_.at(at(last)).pages, 1U);
    for (const std::byte* address : {at(6), at(7) + 1, at(7) + 16, at(8), at(9), at(10)}) {
        EXPECT_EQ(blocks_.at(address).pages, 0U);
        EXPECT_EQ(blocks_.take(address).pages, 0U);
    }
    EXPECT_EQ(blocks_.at(at(7)).pages, 3U);
}

TEST_F(BlockTable, GivesABlockAwayOnce) {
    blocks_.set(at(0), {5, 5});
    EXPECT_EQ(blocks_.take(at(0)).pages, 5U);
    EXPECT_EQ(blocks_.take(at(0)).pages, 0U);
    EXPECT_EQ(blocks_.at(at(0)).pages, 0U);
}

TEST_F(BlockTable, OfTwoThreadsThatFreeABlockOneHasIt) {
    constexpr int rounds = 5000;
    std::vector<std::atomic<int>> taken(rounds);
    for (std::size_t i = 0; i < rounds; ++i) blocks_.set(at(i), {2, 2});
    std::atomic<std::size_t> arrived{0};  // two a round: they meet at each block
    const auto take_all = [&] {
        for (std::size_t i = 0; i < rounds; ++i) {
            ++arrived;
            while (arrived < 2 * (i + 1)) {
                if (i % 16 == 0) std::this_thread::yield();
            }
            taken[i] += blocks_.take(at(i)).pages != 0 ? 1 : 0;
        }
    };
    std::thread other(take_all);
    take_all();
    other.join();
    for (const std::atomic<int>& times : taken) EXPECT_EQ(times.load(), 1);
}

void* address(std::uintptr_t number) { return reinterpret_cast<void*>(number * page); }

TEST(RecentBlocks, GiveTheYoungestOfThatSizeFirst) {
    Recent recent(100, 1000);
    ASSERT_TRUE(recent.put({address(1), 4}, 0));
    ASSERT_TRUE(recent.put({address(5), 4}, 1));
    ASSERT_TRUE(recent.put({address(9), 5}, 2));
    EXPECT_EQ(recent.take(3, 1), nullptr);
    EXPECT_EQ(recent.take(4, 1), address(5));
    EXPECT_EQ(recent.take(4, 1), address(1));
    EXPECT_EQ(recent.take(4, 1), nullptr);
    EXPECT_EQ(recent.pages(), 5U);
    EXPECT_EQ(recent.take(5, 1), address(9));
    EXPECT_EQ(recent.pages(), 0U);
}

TEST(RecentBlocks, GiveNoneThatIsNotAligned) {
    Recent recent(100, 1000);
    ASSERT_TRUE(recent.put({address(16), 4}, 0));
    ASSERT_TRUE(recent.put({address(33), 4}, 0));
    EXPECT_EQ(recent.take(4, 32 * page), nullptr);
    EXPECT_EQ(recent.take(4, 16 * page), address(16));
    EXPECT_EQ(recent.take(4, page), address(33));
}

TEST(RecentBlocks, AreBoundedInPages) {
    Recent recent(10, 1000);
    EXPECT_FALSE(recent.put({address(1), 11}, 0));
    EXPECT_FALSE(recent.take_surplus(11, 0));  // nothing need make room for what is not kept
    ASSERT_TRUE(recent.put({address(1), 6}, 0));
    ASSERT_TRUE(recent.put({address(7), 4}, 0));
    EXPECT_FALSE(recent.put({address(20), 1}, 0));
    const auto surplus = recent.take_surplus(1, 0);
    ASSERT_TRUE(surplus);
    EXPECT_EQ(surplus->address, address(1));  // the oldest
    EXPECT_EQ(surplus->pages, 6U);
    EXPECT_FALSE(recent.take_surplus(1, 0));
    EXPECT_TRUE(recent.put({address(20), 1}, 0));
}

TEST(RecentBlocks, AreBoundedInNumber) {
    Recent recent(1000, 1000);
    for (std::uintptr_t i = 1; i <= Recent::most_blocks; ++i) {
        ASSERT_FALSE(recent.take_surplus(1, 0));
        ASSERT_TRUE(recent.put({address(i), 1}, 0));
    }
    EXPECT_FALSE(recent.put({address(100), 1}, 0));
    ASSERT_TRUE(recent.take_surplus(1, 0));
    EXPECT_TRUE(recent.put({address(100), 1}, 0));
}

TEST(RecentBlocks, GoWhenTheyAreOld) {
    Recent recent(100, 250);
    ASSERT_TRUE(recent.put({address(1), 1}, 0));
    ASSERT_TRUE(recent.put({address(2), 1}, 200));
    EXPECT_FALSE(recent.take_surplus(0, 249));
    ASSERT_TRUE(recent.take_surplus(0, 250));
    EXPECT_FALSE(recent.take_surplus(0, 250));
    EXPECT_EQ(recent.take_oldest()->address, address(2));
    EXPECT_FALSE(recent.take_oldest());
}

}  // namespace
}  // namespace onecopy::heap
