#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "walk_reference.hpp"

namespace onecopy::test {
namespace {

/// Lists in a small address space, so that neighbours and empty segments are common.
std::vector<Run> some_list() {
    const auto lengths = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 12));
    std::vector<Run> list;
    for (const int length : lengths) {
        const bool neighbour = !list.empty() && *rc::gen::inRange(0, 3) == 0;
        const std::uint64_t address = neighbour ? list.back().address + list.back().bytes
                                                : *rc::gen::inRange<std::uint64_t>(0, 64);
        list.push_back({address, static_cast<std::uint64_t>(length)});
    }
    return list;
}

plan::Limits some_limits() {
    return {*rc::gen::inRange<std::size_t>(1, 6), *rc::gen::inRange<std::size_t>(1, 6),
            *rc::gen::inRange<std::uint64_t>(1, 40)};
}

TEST(WalkProperty, CoversEachByteOnceInOrderWithinTheLimits) {
    EXPECT_TRUE(rc::check([] {
        const auto breaks = walk_breaks(some_list(), some_list(), some_limits(),
                                        [](std::uint64_t bytes) { return bytes; });
        RC_LOG() << (breaks ? breaks : "");
        RC_ASSERT(breaks == nullptr);
    }));
}

TEST(WalkProperty, GoesOnAtTheExactByteAfterAShortCall) {
    EXPECT_TRUE(rc::check([] {
        const auto breaks = walk_breaks(
            some_list(), some_list(), some_limits(),
            [](std::uint64_t bytes) { return *rc::gen::inRange<std::uint64_t>(1, bytes + 1); });
        RC_LOG() << (breaks ? breaks : "");
        RC_ASSERT(breaks == nullptr);
    }));
}

}  // namespace
}  // namespace onecopy::test
