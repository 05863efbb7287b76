// Full memory is std::bad_alloc, not a signal and not a killed process: in a small memory cgroup.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "onecopy/arena.hpp"
#include "small_group.hpp"
#include "support/child.hpp"
#include "support/rights.hpp"
#include "support/sanitizers.hpp"

namespace onecopy::test {
namespace {

constexpr std::size_t mib = 1 << 20;

struct Outcome {
    std::size_t touched;
    bool refused;
};

/// Takes and touches blocks until it is told that there are no more.
Outcome fill_up(const SmallGroup& group, std::size_t block_bytes, bool touch_at_once) {
    return forked([&]() -> Outcome {
        if (!group.enter()) return {0, false};
        Arena arena({.capacity_bytes = 1024 * mib});
        std::vector<void*> blocks;
        Outcome outcome{0, false};
        try {
            for (;;) {
                blocks.push_back(arena.allocate(block_bytes, 64));
                if (touch_at_once) std::memset(blocks.back(), 1, block_bytes);
            }
        } catch (const std::bad_alloc&) {
            outcome.refused = true;
        }
        for (void* block : blocks) {
            std::memset(block, 2, block_bytes);
            outcome.touched += block_bytes;
        }
        // What is freed can be taken again, though the group is full.
        if (!blocks.empty()) {
            arena.deallocate(blocks.back(), block_bytes, 64);
            std::memset(arena.allocate(block_bytes, 64), 3, block_bytes);
        }
        return outcome;
    });
}

class ArenaInASmallGroup : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(, ArenaInASmallGroup, testing::Values(64U << 10, 1U << 20, 16U << 20));

TEST_P(ArenaInASmallGroup, SaysBadAllocBeforeTheKernelKills) {
    ONECOPY_NOT_UNDER_TSAN("its own memory");
    ONECOPY_NEEDS_ROOT();
    const SmallGroup group(128 * mib);
    if (!group) GTEST_SKIP() << "no memory cgroup can be made here";
    for (const bool touch_at_once : {true, false}) {
        const Outcome outcome = fill_up(group, GetParam(), touch_at_once);
        EXPECT_TRUE(outcome.refused);
        EXPECT_GE(outcome.touched, 64 * mib);  // most of it can be used
        EXPECT_LE(outcome.touched, 128 * mib);
    }
}

}  // namespace
}  // namespace onecopy::test
