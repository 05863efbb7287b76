#include "plan/walk.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace onecopy::plan {
namespace {

/// A walk with room for what the tests need.
class WalkTest : public testing::Test {
protected:
    Batch fill(std::vector<plan::Run> local, std::vector<plan::Run> remote,
               Limits limits = kernel_limits) {
        local_ = std::move(local);
        remote_ = std::move(remote);
        Batch batch{local_room_.data(), remote_room_.data(), 0, 0, 0};
        Walk walk(Cursor(local_.data(), local_.size()), Cursor(remote_.data(), remote_.size()));
        walk.fill(batch, limits);
        return batch;
    }

private:
    std::vector<plan::Run> local_, remote_;
    std::vector<plan::Run> local_room_ = std::vector<plan::Run>(1024),
                           remote_room_ = std::vector<plan::Run>(1024);
};

TEST_F(WalkTest, MergesNeighboursOnEitherSide) {
    const Batch batch = fill({{100, 10}, {110, 10}, {120, 10}}, {{500, 15}, {515, 15}});
    EXPECT_EQ(batch.local_runs, 1U);
    EXPECT_EQ(batch.remote_runs, 1U);
    EXPECT_EQ(batch.local[0].bytes, 30U);
    EXPECT_EQ(batch.remote[0].bytes, 30U);
}

TEST_F(WalkTest, DoesNotMergeBackwardsNeighbours) {
    EXPECT_EQ(fill({{110, 10}, {100, 10}}, {{500, 20}}).local_runs, 2U);
}

TEST_F(WalkTest, DoesNotMergeAcrossTheTopOfTheAddressSpace) {
    const Batch batch = fill({{0, 32}}, {{~0ULL - 15, 16}, {0, 16}});
    EXPECT_EQ(batch.remote_runs, 2U);
}

TEST_F(WalkTest, EndsWithTheShorterList) {
    EXPECT_EQ(fill({{100, 10}}, {{500, 1000}}).bytes, 10U);
    EXPECT_EQ(fill({{100, 1000}}, {{500, 7}, {900, 0}}).bytes, 7U);
    EXPECT_EQ(fill({}, {{500, 7}}).bytes, 0U);
}

TEST_F(WalkTest, SplitsWhereTheKernelWouldCutSilently) {
    const Batch batch = fill({{0, 1ULL << 40}}, {{0, 1ULL << 40}});
    EXPECT_EQ(batch.bytes, 0x7ffff000U);
    EXPECT_EQ(batch.local[0].bytes, 0x7ffff000U);
}

TEST_F(WalkTest, SplitsAtTheNumberOfElementsOfOneCall) {
    std::vector<plan::Run> scattered;
    for (std::uint64_t i = 0; i < 1025; ++i) scattered.push_back({i * 16, 8});
    EXPECT_EQ(fill(scattered, {{0, 1 << 20}}).bytes, 1024U * 8);
    EXPECT_EQ(fill({{0, 1 << 20}}, scattered).bytes, 1024U * 8);
}

TEST_F(WalkTest, SurvivesLengthsWhoseSumOverflows) {
    const Batch batch = fill({{0, ~0ULL}, {0, ~0ULL}}, {{0, ~0ULL}, {8, ~0ULL}}, {4, 4, ~0ULL});
    EXPECT_EQ(batch.bytes, ~0ULL);
}

TEST_F(WalkTest, CutsBetweenElementsWhenTheLimitIsAMultipleOfThem) {
    const Batch batch = fill({{0, 24}, {100, 72}}, {{0, 96}}, {4, 4, 48});
    EXPECT_EQ(batch.bytes, 48U);
    EXPECT_TRUE(whole_elements(batch.local, batch.local_runs, 24));
}

}  // namespace
}  // namespace onecopy::plan
