// Blocks in an arena by address alone, without any malloc around it.
#include "heap/heap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <thread>
#include <vector>

#include "heap/settings.hpp"
#include "support/child.hpp"

namespace onecopy::heap {
namespace {

using test::eventually;
constexpr std::size_t page = 4096, mib = std::size_t{1} << 20;

ArenaOptions small(std::chrono::milliseconds kept_for = std::chrono::minutes(10)) {
    return {.capacity_bytes = 256 * mib, .kept_bytes = 128 * mib, .kept_for = kept_for};
}

bool all_zero(const void* block, std::size_t bytes) {
    const std::span view(static_cast<const unsigned char*>(block), bytes);
    return std::all_of(view.begin(), view.end(), [](unsigned char byte) { return byte == 0; });
}

TEST(HeapBlocks, AreWholePagesAndKnownByTheirAddress) {
    Heap heap(small());
    void* const block = heap.allocate(mib + 1, 1, false);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(heap.size(block), mib + page);
    EXPECT_EQ(heap.size(static_cast<std::byte*>(block) + page), 0U);
    EXPECT_EQ(heap.free(static_cast<std::byte*>(block) + page), 0U);
    EXPECT_EQ(heap.free(block), mib + page);
    EXPECT_EQ(heap.free(block), 0U);
}

TEST(HeapBlocks, StandWhereTheyAreAskedFor) {
    Heap heap(small());
    for (std::size_t alignment = 1; alignment <= 64 * mib; alignment *= 2) {
        void* const block = heap.allocate(100000, alignment, false);
        ASSERT_NE(block, nullptr) << alignment;
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignment, 0U);
        std::memset(block, 1, 100000);
        heap.free(block);
    }
}

TEST(HeapBlocks, AreNullWhereTheArenaHasNoRoom) {
    Heap heap(small());
    EXPECT_EQ(heap.allocate(257 * mib, 1, false), nullptr);
    void* const most = heap.allocate(200 * mib, 1, false);
    EXPECT_NE(most, nullptr);
    EXPECT_EQ(heap.allocate(100 * mib, 1, false), nullptr);
    // A refusal does not outlive its reason for what is shorter, or for what has just been freed.
    EXPECT_NE(heap.allocate(10 * mib, 1, false), nullptr);
    heap.free(most);
    EXPECT_TRUE(eventually([&] { return heap.allocate(200 * mib, 1, false) != nullptr; }));
}

TEST(HeapBlocks, KeptForTheNextMakeRoomForALongerOne) {
    Heap heap(small());
    std::vector<void*> blocks;
    for (int i = 0; i < 4; ++i) blocks.push_back(heap.allocate(60 * mib, 1, false));
    for (void* block : blocks) {
        ASSERT_NE(block, nullptr);
        heap.free(block);
    }
    EXPECT_NE(heap.allocate(250 * mib, 1, false), nullptr);
}

TEST(HeapBlocks, ComeBackWarmWhereTheSameSizeIsAskedForAgain) {
    Heap heap(small());
    void* const first = heap.allocate(mib, 1, false);
    heap.free(first);  // the first of a while goes to the arena itself
    void* const block = heap.allocate(mib, 1, false);
    void* const between = heap.allocate(mib, 1, false);
    heap.free(block);
    EXPECT_EQ(heap.allocate(mib, 1, false), block);
    heap.free(between);
}

TEST(HeapBlocks, ReadAsZerosWhereThatIsAskedFor) {
    Heap heap(small());
    for (const std::size_t bytes : {mib, 3 * mib, mib, 3 * mib, 5 * mib}) {
        for (int i = 0; i < 4; ++i) {
            void* const block = heap.allocate(bytes, 1, true);
            ASSERT_NE(block, nullptr);
            EXPECT_TRUE(all_zero(block, bytes));
            std::memset(block, 0xff, heap.size(block));
            heap.free(block);
        }
    }
}

TEST(HeapBlocks, OfZerosTouchNothingThatWasNotTouchedBefore) {
    Heap heap(small());
    void* const dirty = heap.allocate(mib, 1, false);
    std::memset(dirty, 0xff, mib);
    heap.free(dirty);
    heap.trim();
    EXPECT_EQ(heap.space().usage().resident, 0U);
    void* const again = heap.allocate(mib, 1, false);
    std::memset(again, 0xff, mib);
    heap.free(again);
    void* const zeros = heap.allocate(200 * mib, 1, true);  // begins with the dirty one
    ASSERT_NE(zeros, nullptr);
    EXPECT_LE(heap.space().usage().resident, mib);
    EXPECT_TRUE(all_zero(zeros, 2 * mib));
}

TEST(HeapBlocks, GrowAndShrinkWhereTheyStand) {
    Heap heap(small());
    void* const block = heap.allocate(mib, 1, false);
    ASSERT_TRUE(heap.resize(block, 3 * mib));
    EXPECT_EQ(heap.size(block), 3 * mib);
    void* const next = heap.allocate(mib, 1, false);
    EXPECT_FALSE(heap.resize(block, 5 * mib));
    EXPECT_EQ(heap.size(block), 3 * mib);
    ASSERT_TRUE(heap.resize(block, mib));
    EXPECT_EQ(heap.free(block), mib);
    EXPECT_EQ(heap.free(next), mib);
    EXPECT_EQ(heap.trim() / page, 2 * mib / page + 2 * mib / page);
    EXPECT_EQ(heap.space().usage().handed_out, 0U);
}

TEST(HeapBlocks, GoBackToTheSystemWhileOthersComeAndGo) {
    Heap heap(small(std::chrono::milliseconds(50)));
    std::vector<void*> blocks;
    for (int i = 0; i < 100; ++i) {
        blocks.push_back(heap.allocate(mib, 1, false));
        std::memset(blocks.back(), 1, mib);
    }
    for (void* block : blocks) heap.free(block);
    EXPECT_TRUE(eventually([&] {
        // Always served by what was just freed, as in a loop.
        void* const block = heap.allocate(64 * 1024, 1, false);
        std::memset(block, 1, 64 * 1024);
        heap.free(block);
        return heap.space().usage().resident <= mib;
    }));
}

TEST(HeapBlocks, KeptAreBounded) {
    Heap heap({.capacity_bytes = 256 * mib,
               .kept_bytes = 16 * mib,
               .kept_for = std::chrono::minutes(10)});
    std::vector<void*> blocks;
    for (int i = 0; i < 100; ++i) {
        blocks.push_back(heap.allocate(mib, 1, false));
        std::memset(blocks.back(), 1, mib);
    }
    for (void* block : blocks) heap.free(block);
    EXPECT_LE(heap.space().usage().resident, 17 * mib);
}

TEST(HeapBlocks, OfManyThreadsNeverOverlap) {
    Heap heap(small());
    const auto work = [&](unsigned char mark) {
        for (int round = 0; round < 2000; ++round) {
            const std::size_t bytes = (round % 7 + 1) * 5 * page;
            auto* const block = static_cast<unsigned char*>(heap.allocate(bytes, 1, false));
            ASSERT_NE(block, nullptr);
            for (std::size_t at = 0; at < bytes; at += page) block[at] = mark;
            std::this_thread::yield();
            for (std::size_t at = 0; at < bytes; at += page) ASSERT_EQ(block[at], mark);
            ASSERT_NE(heap.free(block), 0U);
        }
    };
    std::vector<std::thread> threads;
    for (unsigned char i = 1; i <= 4; ++i) threads.emplace_back(work, i);
    for (std::thread& thread : threads) thread.join();
    heap.trim();
    EXPECT_EQ(heap.space().usage().handed_out, 0U);
}

TEST(HeapSettings, TakeThresholdsFromAPageOn) {
    EXPECT_EQ(parse_threshold("4096"), 4096U);
    EXPECT_EQ(parse_threshold("4K"), 4096U);
    EXPECT_EQ(parse_threshold("256KiB"), 256U << 10);
    EXPECT_EQ(parse_threshold("3M"), 3U << 20);
    EXPECT_EQ(parse_threshold("1G"), 1U << 30);
    for (const char* bad : {"", "0", "4095", "3K", "0M", "x", "1Q", "1K ", " 1K", "-1", "1e6",
                            "18446744073709551616", "18014398509481984K", "1.5M"}) {
        EXPECT_FALSE(parse_threshold(bad)) << bad;
    }
}

TEST(HeapSettings, AreReadFromTheEnvironment) {
    Settings settings = read_settings([](const char*) -> const char* { return nullptr; });
    EXPECT_FALSE(settings.off);
    EXPECT_FALSE(settings.statistics);
    EXPECT_EQ(settings.threshold_bytes, usual_threshold);
    settings = read_settings([](const char* name) -> const char* {
        return std::strcmp(name, "ONECOPY_HEAP_THRESHOLD") == 0 ? "lots" : "1";
    });
    EXPECT_FALSE(settings.off);
    EXPECT_TRUE(settings.statistics);
    EXPECT_EQ(settings.threshold_bytes, usual_threshold);
    EXPECT_STREQ(settings.bad_threshold, "lots");
    settings = read_settings(
        [](const char* name) { return std::strcmp(name, "ONECOPY_HEAP") == 0 ? "0" : ""; });
    EXPECT_TRUE(settings.off);
    EXPECT_EQ(settings.bad_threshold, nullptr);
}

}  // namespace
}  // namespace onecopy::heap
