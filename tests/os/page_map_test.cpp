#include "os/page_map.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"

namespace onecopy::os {
namespace {

using test::Memory;
using test::page;
using Runs = std::vector<std::pair<std::size_t, std::size_t>>;

/// The present pages of `memory`, as runs of page indexes. Empty and {9999, 9999} on failure.
Runs present_in(const Memory& memory) {
    PageMap map("/proc/self");
    Runs runs;
    const bool known = map.for_each_present(
        memory.address(), memory.address(memory.bytes()),
        [&](std::uint64_t begin, std::uint64_t end) {
            const auto first = static_cast<std::size_t>((begin - memory.address()) / page);
            const auto last = static_cast<std::size_t>((end - memory.address()) / page);
            if (!runs.empty() && runs.back().second == first) {
                runs.back().second = last;
            } else {
                runs.emplace_back(first, last);
            }
        });
    return known ? runs : Runs{{9999, 9999}};
}

/// Every 97th page and the last one, so that neither a single call nor a single buffer holds the
/// answer.
void touch_some(const Memory& memory, Runs& expected) {
    for (std::size_t i = 0; i * page < memory.bytes(); i += 97) {
        memory.data()[i * page] = std::byte{1};
        expected.emplace_back(i, i + 1);
    }
    memory.data()[memory.bytes() - 1] = std::byte{1};
    expected.emplace_back(memory.bytes() / page - 1, memory.bytes() / page);
}

constexpr std::size_t pages = 97 * 1000;

TEST(PageMap, FindsExactlyTheTouchedPages) {
    const Memory memory(pages * page);
    EXPECT_EQ(present_in(memory), Runs{});
    Runs expected;
    touch_some(memory, expected);
    EXPECT_EQ(present_in(memory), expected);
}

TEST(PageMap, FindsTheSameWhereTheKernelHasNoScan) {
    struct Answer {
        bool refused, same;
    };
    const Answer answer = test::forked([] {
        // A kernel without the call: ENOTTY for PAGEMAP_SCAN alone, by the low half of its number.
        const std::array calls{test::Refusal{SYS_ioctl, ENOTTY, 1, 0xc0606610U, 0xc0606610U}};
        Answer result{test::refuse(calls) == 0, false};
        const Memory memory(pages * page);
        Runs expected;
        touch_some(memory, expected);
        result.same = present_in(memory) == expected;
        return result;
    });
    EXPECT_TRUE(answer.refused);
    EXPECT_TRUE(answer.same);
}

TEST(PageMap, ARunMayReachTheEndAndCrossEveryBuffer) {
    const Memory memory(20000 * page);
    for (std::size_t i = 5; i < 20000; ++i) memory.data()[i * page] = std::byte{1};
    EXPECT_EQ(present_in(memory), (Runs{{5, 20000}}));
}

TEST(PageMap, OfAnAbsentProcessIsEmpty) {
    PageMap map("/proc/0");
    EXPECT_FALSE(map);
    EXPECT_FALSE(map.for_each_present(0, page, [](std::uint64_t, std::uint64_t) {}));
}

}  // namespace
}  // namespace onecopy::os
