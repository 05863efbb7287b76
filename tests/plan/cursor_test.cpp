#include "plan/cursor.hpp"

#include <gtest/gtest.h>

#include <array>

namespace onecopy::plan {
namespace {

TEST(Cursor, IsDoneAtOnceOnAnEmptyListAndOnAListOfEmptySegments) {
    const std::array<plan::Run, 3> empties{{{1, 0}, {2, 0}, {~0ULL, 0}}};
    EXPECT_TRUE(Cursor<plan::Run>().done());
    EXPECT_TRUE(Cursor(empties.data(), 0).done());
    EXPECT_TRUE(Cursor(empties.data(), empties.size()).done());
}

TEST(Cursor, NeverStandsOnAnEmptySegment) {
    const std::array<plan::Run, 5> list{{{1, 0}, {100, 2}, {3, 0}, {4, 0}, {200, 1}}};
    Cursor cursor(list.data(), list.size());
    EXPECT_EQ(cursor.run().address, 100U);
    cursor.advance(2);
    EXPECT_EQ(cursor.run().address, 200U);
    EXPECT_EQ(cursor.run().bytes, 1U);
    cursor.advance(1);
    EXPECT_TRUE(cursor.done());
}

TEST(Cursor, AdvancesInsideASegmentAndOverSeveral) {
    const std::array<plan::Run, 3> list{{{100, 10}, {200, 10}, {300, 10}}};
    Cursor cursor(list.data(), list.size());
    cursor.advance(3);
    EXPECT_EQ(cursor.run().address, 103U);
    EXPECT_EQ(cursor.run().bytes, 7U);
    cursor.advance(20);
    EXPECT_EQ(cursor.run().address, 303U);
    EXPECT_EQ(cursor.run().bytes, 7U);
}

TEST(Cursor, StopsAtTheEndHoweverFarItIsSent) {
    const std::array<plan::Run, 2> list{{{100, 10}, {200, ~0ULL}}};
    Cursor cursor(list.data(), list.size());
    cursor.advance(~0ULL);
    EXPECT_EQ(cursor.run().address, 200U + (~0ULL - 10));
    cursor.advance(~0ULL);
    EXPECT_TRUE(cursor.done());
    cursor.advance(1);
    EXPECT_TRUE(cursor.done());
}

TEST(WholeElements, AsksEverySegmentForItself) {
    const std::array<plan::Run, 3> whole{{{1, 16}, {2, 0}, {3, 8}}};
    const std::array<plan::Run, 2> cut{
        {{1, 12}, {2, 4}}};  // 16 bytes in all, but an element is cut
    EXPECT_TRUE(whole_elements(whole.data(), whole.size(), 8));
    EXPECT_FALSE(whole_elements(cut.data(), cut.size(), 8));
    EXPECT_TRUE(whole_elements(cut.data(), cut.size(), 4));
    EXPECT_TRUE(whole_elements(cut.data(), 0, 8));
}

}  // namespace
}  // namespace onecopy::plan
