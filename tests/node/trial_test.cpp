// The correction of the table of ways by what messages take.
#include "node/trial.hpp"

#include <gtest/gtest.h>

#include <array>

namespace onecopy::test {
namespace {

using node::Trial;
using node::Unmapped;

/// Sends so many messages over a machine on which the ways take these times; what all took.
double send(Trial& trial, int messages, Unmapped by_table, const std::array<float, 3>& times) {
    double sum = 0;
    for (int i = 0; i < messages; ++i) {
        const Unmapped way = trial.next(by_table);
        const float time = times[static_cast<std::size_t>(way)];
        trial.took(way, time);
        sum += time;
    }
    return sum;
}

TEST(Trial, KeepsToATableThatIsRight) {
    Trial trial;
    const double sum = send(trial, 10'000, Unmapped::staged, {3, 2, 1});
    EXPECT_EQ(trial.fastest(Unmapped::staged), Unmapped::staged);
    EXPECT_LT(sum, 1.005 * 10'000);  // and seldom tries what is much slower
}

TEST(Trial, LeavesATableThatIsWrong) {
    Trial trial;
    const double sum = send(trial, 10'000, Unmapped::call, {3, 2, 1});
    EXPECT_EQ(trial.fastest(Unmapped::call), Unmapped::staged);
    EXPECT_LT(sum, 1.1 * 10'000);
}

TEST(Trial, StaysWithTheTableWhereWaysAreAlike) {
    Trial trial;
    send(trial, 10'000, Unmapped::both_call, {1.0F, 1.0F, 0.95F});
    EXPECT_EQ(trial.fastest(Unmapped::both_call), Unmapped::both_call);
}

TEST(Trial, FollowsAMachineThatChanges) {
    Trial trial;
    send(trial, 10'000, Unmapped::staged, {3, 2, 1});
    send(trial, 10'000, Unmapped::staged, {3, 2, 6});
    EXPECT_EQ(trial.fastest(Unmapped::staged), Unmapped::both_call);
    send(trial, 10'000, Unmapped::staged, {3, 2, 1});
    EXPECT_EQ(trial.fastest(Unmapped::staged), Unmapped::staged);
}

TEST(Trial, OneMessageThatHadToWaitDecidesNothing) {
    Trial trial;
    send(trial, 1000, Unmapped::staged, {3, 2, 1});
    trial.took(Unmapped::staged, 1e6F);
    EXPECT_EQ(trial.fastest(Unmapped::staged), Unmapped::staged);
}

}  // namespace
}  // namespace onecopy::test
