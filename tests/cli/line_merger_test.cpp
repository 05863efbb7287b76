// Lines of many ranks in one stream: whole, in order, labelled.
#include "cli/line_merger.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <sstream>

namespace onecopy::cli {
namespace {

struct Written {
    int rank;
    std::string bytes;
};

/// What comes of it, with all ranks ended behind it.
std::string merged(int ranks, bool label, const std::vector<Written>& written) {
    LineMerger merger(ranks, label);
    std::string out;
    for (const Written& piece : written) merger.take(piece.rank, piece.bytes, out);
    for (int rank = 0; rank < ranks; ++rank) merger.show(rank, out);
    return out;
}

TEST(LineMerger, HoldsALineBackUntilItsEnd) {
    LineMerger merger(2, false);
    std::string out;
    merger.take(0, "on", out);
    merger.take(1, "two\nth", out);
    EXPECT_EQ(out, "two\n");
    EXPECT_TRUE(merger.holds(0));
    merger.take(0, "e\n", out);
    EXPECT_EQ(out, "two\none\n");
    EXPECT_FALSE(merger.holds(0));
    EXPECT_TRUE(merger.holds(1));
}

TEST(LineMerger, PassesASingleRanksBytesOnAsTheyCome) {
    LineMerger merger(1, false);
    std::string out;
    merger.take(0, "a quest", out);
    EXPECT_EQ(out, "a quest");
    merger.take(0, "ion? \n\n", out);
    EXPECT_EQ(out, "a question? \n\n");
    EXPECT_EQ(merged(1, true, {{0, "a"}, {0, "b\nc"}}), "0: ab\n0: c");
}

TEST(LineMerger, LabelsEachLineWithTheRankRightAligned) {
    EXPECT_EQ(merged(11, true, {{3, "x\n\ny\n"}, {10, "z\n"}}), " 3: x\n 3: \n 3: y\n10: z\n");
}

TEST(LineMerger, GivesTheLineBehindAnUnfinishedLastOneItsOwn) {
    EXPECT_EQ(merged(3, false, {{0, "x\n"}, {1, "y"}, {2, "z"}}), "x\ny\nz");
    EXPECT_EQ(merged(2, true, {{0, "x"}, {1, "y"}}), "0: x\n1: y");
}

TEST(LineMerger, GoesOnBehindWhatWasShownOfALine) {
    LineMerger merger(2, false);
    std::string out;
    merger.take(0, "name? ", out);
    merger.show(0, out);
    merger.take(0, "thanks\n", out);
    EXPECT_EQ(out, "name? thanks\n");
}

TEST(LineMerger, CutsALineThatIsTooLongAndAddsNothingToIt) {
    const std::string longest(LineMerger::longest_line, 'x');
    LineMerger merger(2, false);
    std::string out;
    merger.take(0, longest, out);
    EXPECT_EQ(out, "") << "not too long yet";
    merger.take(0, "y", out);
    EXPECT_EQ(out, longest + "y");
    merger.take(1, "z\n", out);
    merger.take(0, "end\n", out);
    EXPECT_EQ(out, longest + "yz\nend\n");
}

RC_GTEST_PROP(LineMerger, LosesNothingAndMixesNoLines, ()) {
    const int ranks = *rc::gen::inRange(2, 5);
    const auto count = *rc::gen::inRange<std::size_t>(0, 40);
    std::vector<Written> written;
    std::map<int, std::string> all;
    for (std::size_t i = 0; i < count; ++i) {
        const int rank = *rc::gen::inRange(0, ranks);
        const char letter = static_cast<char>('a' + rank);
        written.push_back({rank, *rc::gen::container<std::string>(rc::gen::element(letter, '\n'))});
        all[rank] += written.back().bytes;
    }
    // Read back by the labels: empty lines belong to somebody, too.
    std::istringstream lines(merged(ranks, true, written));
    std::map<int, std::string> seen;
    for (std::string line; std::getline(lines, line);) {
        RC_ASSERT(line.size() >= 3U);
        const int rank = line[0] - '0';
        RC_ASSERT(line.find_first_not_of(static_cast<char>('a' + rank), 3) == line.npos);
        seen[rank] += line.substr(3) + "\n";
    }
    for (auto& [rank, bytes] : all) {
        if (!bytes.empty() && bytes.back() != '\n') bytes += '\n';
        RC_ASSERT(seen[rank] == bytes);
    }
}

}  // namespace
}  // namespace onecopy::cli
