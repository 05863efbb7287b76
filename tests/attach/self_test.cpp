// Transfers within the calling process: overlap is defined, as memmove defines it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <vector>

#include "contract.hpp"

namespace onecopy::test {
namespace {

/// The engines alone and together, on the calling process.
class SelfTransfer : public EngineContract {
protected:
    Transfer within(Segment target_or_source, std::uint64_t other) {
        static Process self = Process::self();
        return EngineContract::move(self, target_or_source, other);
    }
};

INSTANTIATE_TEST_SUITE_P(, SelfTransfer,
                         ::testing::Combine(::testing::ValuesIn(ways().begin(), ways().end()),
                                            ::testing::Values(Direction::read, Direction::write)),
                         contract_name);

std::vector<std::byte> memmoved(const Memory& memory, std::size_t to, std::size_t from,
                                std::size_t bytes) {
    std::vector<std::byte> wanted(memory.bytes());
    fill(wanted, 1);
    std::memmove(wanted.data() + to, wanted.data() + from, bytes);
    return wanted;
}

TEST_P(SelfTransfer, IsMemmoveInBothDirectionsAtAnyDistance) {
    const Memory memory(24 * page);
    struct Case {
        std::size_t to, from, bytes;
    };
    std::vector<Case> cases{{0, 0, 5000}};
    for (const std::size_t distance :
         {1U, 2U, 7U, 8U, 63U, 4095U, 4096U, 4097U, 16383U, 16384U, 16385U, 30000U}) {
        for (const std::size_t bytes : {1U, 100U, 4096U, 16384U, 20000U, 40000U}) {
            cases.push_back({1000 + distance, 1000, bytes});
            cases.push_back({1000, 1000 + distance, bytes});
        }
    }
    for (const Case& c : cases) {
        fill(memory.span(), 1);
        const Segment here = memory.span(reading() ? c.to : c.from, c.bytes);
        const Transfer got = within(here, memory.address(reading() ? c.from : c.to));
        ASSERT_EQ(got.bytes, c.bytes);
        ASSERT_FALSE(got.error);
        const auto wanted = memmoved(memory, c.to, c.from, c.bytes);
        ASSERT_EQ(std::memcmp(memory.data(), wanted.data(), wanted.size()), 0)
            << c.bytes << " bytes from " << c.from << " to " << c.to;
    }
}

TEST_P(SelfTransfer, OverlappingRunsOfAListAreMovedOneAfterTheOther) {
    const Memory memory(2 * page);
    fill(memory.span(), 1);
    // Two pairs: bytes 0..8 to 4..12, then 8..16 (partly new by now) to 2..10.
    std::vector<std::byte> wanted(memory.bytes());
    fill(wanted, 1);
    std::memmove(wanted.data() + 4, wanted.data(), 8);
    std::memmove(wanted.data() + 2, wanted.data() + 8, 8);
    const Process self = Process::self();
    const std::array<std::size_t, 2> to{4, 2};
    const std::array<std::size_t, 2> from{0, 8};
    std::vector<Segment> local;
    std::vector<RemoteSegment> remote;
    for (int i = 0; i < 2; ++i) {
        local.push_back(memory.span(reading() ? to[i] : from[i], 8));
        remote.push_back({memory.address(reading() ? from[i] : to[i]), 8});
    }
    EXPECT_EQ(transfer(way(), direction(), self, local, remote).bytes, 16U);
    EXPECT_EQ(std::memcmp(memory.data(), wanted.data(), wanted.size()), 0);
}

TEST_P(SelfTransfer, AHoleBehindOverlappingRunsIsAFault) {
    // Bytes of an overlapping pair go from its end: with a bad end nothing of the pair is moved.
    const Memory memory({Page::writable, Page::writable, Page::hole}, 1);
    const Segment here = memory.span(reading() ? 1000 : 0, 2 * page);
    const Transfer got = within(here, memory.address(reading() ? 0 : 1000));
    EXPECT_EQ(got.error.value(), EFAULT);
    EXPECT_LE(got.bytes, 2 * page - 1000);
    // What was counted is right, what was not counted is untouched.
    std::vector<std::byte> wanted(2 * page);
    fill(wanted, 1);
    std::memmove(wanted.data() + 1000, wanted.data(), static_cast<std::size_t>(got.bytes));
    EXPECT_EQ(std::memcmp(memory.data(), wanted.data(), wanted.size()), 0);
}

TEST_P(SelfTransfer, WritesObeyPageProtections) {
    const Memory memory({Page::writable, Page::read_only}, 1);
    const Segment source = memory.span(0, 100);
    const Transfer got = reading() ? within(memory.span(page, 100), memory.address(0))
                                   : within(source, memory.address(page));
    EXPECT_EQ(got.bytes, 0U);
    EXPECT_EQ(got.error.value(), EFAULT);
    EXPECT_EQ(first_difference(memory.span(), 1), memory.bytes());
}

TEST(Self, IsAliveAndReachable) {
    const Process self = Process::self();
    EXPECT_EQ(self.pid(), ::getpid());
    EXPECT_TRUE(self.alive());
    EXPECT_TRUE(self.same_image());
    EXPECT_FALSE(self.access());
    EXPECT_FALSE(self.wait_for_death(std::chrono::milliseconds(1)));
}

}  // namespace
}  // namespace onecopy::test
