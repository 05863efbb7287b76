#include "schedule/bracket.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace onecopy::schedule::test {
namespace {

void collect_nodes(int first, int count, std::set<std::pair<int, int>>& all) {
    all.insert({first, count});
    if (count == 1) return;
    collect_nodes(first, left_of(count), all);
    collect_nodes(first + left_of(count), count - left_of(count), all);
}

TEST(Bracket, SplitsBehindTheLargestPowerOfTwo) {
    EXPECT_EQ(left_of(2), 1);
    EXPECT_EQ(left_of(3), 2);
    EXPECT_EQ(left_of(4), 2);
    EXPECT_EQ(left_of(5), 4);
    EXPECT_EQ(left_of(4096), 2048);
    EXPECT_EQ(left_of(4097), 4096);
}

TEST(Bracket, KnowsItsNodes) {
    for (int ranks = 1; ranks <= 40; ++ranks) {
        std::set<std::pair<int, int>> nodes;
        collect_nodes(0, ranks, nodes);
        for (int first = -1; first <= ranks; ++first) {
            for (int count = 0; count <= ranks + 1; ++count) {
                EXPECT_EQ(is_node(first, count, ranks), nodes.contains({first, count}))
                    << first << " + " << count << " of " << ranks;
            }
        }
    }
}

/// Executes it: the sources' ranks, in brackets.
std::string run(const Postfix& postfix, const std::vector<Source>& sources) {
    std::vector<std::string> stack;
    int depth = 0;
    for (const std::int32_t what : postfix.sequence) {
        if (what == Postfix::combine) {
            const std::string right = stack.back();
            stack.pop_back();
            stack.back() = "(" + stack.back() + " " + right + ")";
        } else {
            const Source& source = sources.at(static_cast<std::size_t>(what));
            stack.push_back(std::to_string(source.first));
            if (source.count > 1) {
                stack.back() += "-" + std::to_string(source.first + source.count - 1);
            }
        }
        depth = std::max(depth, static_cast<int>(stack.size()));
    }
    EXPECT_EQ(depth, postfix.depth);
    EXPECT_EQ(stack.size(), 1U);
    return stack.back();
}

std::string combined(const std::vector<std::pair<int, int>>& parts, int ranks,
                     Collective what = Collective::allreduce) {
    std::vector<Source> sources;
    for (const auto& [first, count] : parts) sources.push_back({{}, 0, first, count});
    return run(postfix_of(sources, what, ranks), sources);
}

TEST(Bracket, CombinesContributions) {
    EXPECT_EQ(combined({{0, 1}}, 1), "0");
    EXPECT_EQ(combined({{0, 1}, {1, 1}, {2, 1}}, 3), "((0 1) 2)");
    EXPECT_EQ(combined({{0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {6, 1}}, 7),
              "(((0 1) (2 3)) ((4 5) 6))");
}

TEST(Bracket, CombinesWhatIsCombinedAlready) {
    EXPECT_EQ(combined({{0, 4}, {4, 2}, {6, 1}}, 7), "(0-3 (4-5 6))");
    EXPECT_EQ(combined({{0, 2}, {2, 1}, {3, 1}, {4, 3}}, 7), "((0-1 (2 3)) 4-6)");
}

TEST(Bracket, CombinesAPartOfTheRanks) {
    EXPECT_EQ(combined({{4, 1}, {5, 1}}, 7), "(4 5)");
    EXPECT_EQ(combined({{4, 2}, {6, 1}}, 7), "(4-5 6)");
    EXPECT_EQ(combined({{2, 1}, {3, 1}}, 64), "(2 3)");
}

TEST(Bracket, ScansFromLeftToRight) {
    EXPECT_EQ(combined({{0, 1}, {1, 1}, {2, 1}, {3, 1}}, 9, Collective::scan), "(((0 1) 2) 3)");
    EXPECT_EQ(combined({{0, 5}, {5, 1}}, 9, Collective::exscan), "(0-4 5)");
}

TEST(Bracket, NeedsAStackOfTheTreesDepth) {
    std::vector<Source> sources;
    for (int rank = 0; rank < 4096; ++rank) sources.push_back({{}, 0, rank, 1});
    const Postfix postfix = postfix_of(sources, Collective::allreduce, 4096);
    EXPECT_EQ(postfix.sequence.size(), 2 * sources.size() - 1);
    EXPECT_EQ(postfix.depth, 13);
    EXPECT_EQ(postfix_of(sources, Collective::scan, 4096).depth, 2);
}

}  // namespace
}  // namespace onecopy::schedule::test
