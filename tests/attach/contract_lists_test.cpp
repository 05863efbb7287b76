// Lists of any shape and size: semantics.md, section 2.
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "contract.hpp"

namespace onecopy::test {
namespace {

using enum Page;

TEST_P(EngineContract, EmptyListsMoveNothingAndAreNoError) {
    for (const auto& [local, remote] : {std::pair<std::vector<Piece>, std::vector<Piece>>{{}, {}},
                                        {{{0, 8}}, {}},
                                        {{}, {{0, 8}}},
                                        {{{0, 0}}, {{0, 8}}},
                                        {{{0, 8}}, {{0, 0}, {0, 0}}}}) {
        Rig rig(way(), direction(), {writable}, {writable});
        rig.move(local, remote);
        rig.expect(0, 0);
    }
}

TEST_P(EngineContract, TheShorterListEndsIt) {
    Rig longer_remote(way(), direction(), {writable}, {writable});
    longer_remote.move({{0, 16}}, {{100, 300}});
    longer_remote.expect(16, 0);
    Rig longer_local(way(), direction(), {writable}, {writable});
    longer_local.move({{0, 300}}, {{100, 16}});
    longer_local.expect(16, 0);
}

TEST_P(EngineContract, BadRunsBeyondTheEndOfTheOtherListDoNotMatter) {
    Rig remote_bad(way(), direction(), {writable}, {writable, hole});
    remote_bad.move({{0, 16}}, {{0, 16}, {page, 16}});
    remote_bad.expect(16, 0);
    Rig local_bad(way(), direction(), {writable, hole}, {writable});
    local_bad.move({{0, 16}, {page, 16}, elsewhere(kernel_address, 8)}, {{0, 16}});
    local_bad.expect(16, 0);
}

TEST_P(EngineContract, EmptyRunsAreSkippedWhereverTheyLie) {
    Rig rig(way(), direction(), {writable, hole}, {writable, hole});
    rig.move(
        {{page, 0}, elsewhere(8, 0), {0, 10}, elsewhere(kernel_address, 0), {20, 10}, {page, 0}},
        {elsewhere(kernel_address, 0), {50, 5}, {page, 0}, {60, 15}, elsewhere(8, 0)});
    rig.expect(20, 0);
}

TEST_P(EngineContract, PiecesOfDifferentSizesOnBothSidesFitTogether) {
    Rig rig(way(), direction(), {writable, writable}, {writable, writable});
    rig.move({{0, 1}, {2, 3}, {10, 4087}, {5000, 1000}},
             {{4000, 200}, {7, 1}, {100, 3000}, {4300, 1890}});
    rig.expect(5091, 0);
}

TEST_P(EngineContract, AnElementMayCrossPagesAndPiecesAnywhere) {
    // 3-byte elements: pieces cut them, pages cut them, the count is of bytes.
    Rig rig(way(), direction(), {writable, writable}, {writable, hole});
    rig.move({{page - 1, 3}, {page + 5, 3}, {page + 50, 3}}, {{page - 7, 2}, {page - 5, 7}});
    rig.expect(7, EFAULT);
}

TEST_P(EngineContract, MoreRunsThanTheKernelTakesAtOnce) {
    for (const std::size_t count : {1023U, 1024U, 1025U, 5000U}) {
        Rig rig(way(), direction(), {writable, writable, writable, writable, writable},
                {writable, writable, writable, writable, writable});
        std::vector<Piece> local;
        std::vector<Piece> remote;
        for (std::size_t i = 0; i < count; ++i) {
            local.push_back({i * 4, 3});
            remote.push_back({(count - 1 - i) * 4, 3});
        }
        rig.move(local, remote);
        rig.expect(3 * count, 0);
    }
}

TEST_P(EngineContract, ManyRunsOnOneSideOnly) {
    std::vector<Piece> pieces;
    for (std::size_t i = 0; i < 3000; ++i) pieces.push_back({(i * 7919) % 12000, 1});
    Rig scattered_local(way(), direction(), {writable, writable, writable},
                        {writable, writable, writable});
    // Distinct places (7919 and 12000 have no common divisor), so order cannot matter.
    scattered_local.move(pieces, {{5, 3000}});
    scattered_local.expect(3000, 0);
    Rig scattered_remote(way(), direction(), {writable, writable, writable},
                         {writable, writable, writable});
    scattered_remote.move({{5, 3000}}, pieces);
    scattered_remote.expect(3000, 0);
}

TEST_P(EngineContract, AHundredThousandRuns) {
    const std::size_t count = 100000;
    const Memory near(2 * count);
    const Memory far(2 * count);
    fill((reading() ? far : near).span(), 9);
    Child child;
    const Process process = open(child);
    std::vector<Segment> local;
    std::vector<RemoteSegment> remote;
    for (std::size_t i = 0; i < count; ++i) {
        local.push_back(near.span(2 * i, 1));
        remote.push_back({far.address(2 * i), 1});
    }
    const Transfer got = transfer(way(), direction(), process, local, remote);
    EXPECT_EQ(got.bytes, count);
    EXPECT_FALSE(got.error);
    if (reading()) {
        for (std::size_t i = 0; i < count; ++i) {
            ASSERT_EQ(near.data()[2 * i], pattern(9, 2 * i)) << i;
            ASSERT_EQ(near.data()[2 * i + 1], std::byte{}) << i;
        }
    }
}

TEST_P(EngineContract, AFaultBehindThousandsOfRunsIsExact) {
    Rig rig(way(), direction(), {writable, writable, writable}, {writable, writable, hole});
    std::vector<Piece> local;
    std::vector<Piece> remote;
    for (std::size_t i = 0; i < 2000; ++i) {
        local.push_back({i * 5, 2});
        remote.push_back({i * 4, 2});
    }
    remote.push_back({2 * page - 1, 2});
    local.push_back({2 * page + 2000, 2});
    rig.move(local, remote);
    rig.expect(4001, EFAULT);
}

TEST_P(EngineContract, MoreThanTheKernelMovesInOneCallIsNotCutSilently) {
    // 2,200 times the same 1 MiB on either side: 0x7ffff000 bytes and some more.
    const std::size_t piece = 1U << 20;
    const std::size_t count = 2200;
    static_assert(std::uint64_t{count} * piece > 0x7ffff000U);
    const Memory near(piece);
    const Memory far(piece);
    fill(near.span(), 3);
    fill(far.span(), 4);
    Child child;
    const Process process = open(child);
    const std::vector<Segment> local(count, near.span());
    const std::vector<RemoteSegment> remote(count, {far.address(), piece});
    const Transfer got = transfer(way(), direction(), process, local, remote);
    EXPECT_EQ(got.bytes, std::uint64_t{count} * piece);
    EXPECT_FALSE(got.error);
    if (reading()) {
        EXPECT_EQ(first_difference(near.span(), 4), piece);
    }
}

class EngineReads : public EngineContract {};

INSTANTIATE_TEST_SUITE_P(, EngineReads,
                         ::testing::Combine(::testing::ValuesIn(ways().begin(), ways().end()),
                                            ::testing::Values(Direction::read)),
                         contract_name);

TEST_P(EngineReads, OneRunLongerThanTheKernelMovesInOneCall) {
    if (sizeof(void*) < 8) GTEST_SKIP() << "no such run fits into a 32-bit address space";
    // Untouched memory reads as zeros and costs nothing on the remote side; here 2 GiB of addresses
    // are 64 views of one small file. (Writing would allocate all of it.)
    const std::size_t bytes = 0x7ffff000U + 16 * page;
    const std::size_t view = 32U << 20;
    const Memory far(bytes);
    const Memory near(bytes);
    const int file = ::memfd_create("views", 0);
    ASSERT_EQ(::ftruncate(file, static_cast<off_t>(view)), 0);
    for (std::size_t at = 0; at < bytes; at += view) {
        const std::size_t length = std::min(view, bytes - at);
        ASSERT_NE(::mmap(near.data() + at, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                         file, 0),
                  MAP_FAILED);
    }
    ::close(file);
    far.data()[bytes - 1] = std::byte{77};
    Child child;
    const Process process = open(child);
    const Transfer got = move(process, near.span(), far.address());
    EXPECT_EQ(got.bytes, bytes);
    EXPECT_FALSE(got.error);
    EXPECT_EQ(near.data()[bytes - 1], std::byte{77});
}

TEST_P(EngineContract, LengthsBeyondTheAddressSpaceOnlyLimit) {
    if (sizeof(void*) < 8) GTEST_SKIP() << "a 32-bit list cannot say such lengths";
    const std::uint64_t huge = std::uint64_t{1} << 63;
    const std::uint64_t all = ~std::uint64_t{0};
    for (const std::uint64_t length : {huge - 1, huge, all - (1U << 20), all}) {
        Rig remote_huge(way(), direction(), {writable}, {writable, hole});
        remote_huge.move({{0, 16}}, {{0, length}});
        remote_huge.expect(16, 0);
        Rig local_huge(way(), direction(), {writable, hole}, {writable});
        local_huge.move({{0, length}}, {{0, 16}});
        local_huge.expect(16, 0);
        Rig both(way(), direction(), {writable, hole}, {writable, hole});
        both.move({{0, length}}, {{96, length}});
        both.expect(page - 96, EFAULT);
        Rig sums(way(), direction(), {writable}, {writable});
        sums.move({{0, 8}, {8, 8}}, {{0, 16}, {0, length}, {0, length}});
        sums.expect(16, 0);
    }
}

TEST_P(EngineContract, RemoteRunsInTheKernelsHalfAreFaults) {
    for (const std::uint64_t address :
         {kernel_address, ~std::uint64_t{0}, ~std::uint64_t{7}, std::uint64_t{1} << 63,
          (std::uint64_t{1} << 63) - 8, std::uint64_t{0x7ffffffff000}}) {
        if (differs(Difference::ends_at_4_gib)) continue;
        Rig rig(way(), direction(), {writable}, {writable});
        rig.move({{0, 100}}, {{0, 30}, elsewhere(address, 64)});
        rig.expect(30, EFAULT);
    }
}

TEST_P(EngineContract, WhatPrecedesALocalRunInTheKernelsHalfIsMoved) {
    if (sizeof(void*) < 8) GTEST_SKIP() << "a 32-bit program has no such addresses";
    // The kernel refuses the whole list, even for an element it would never reach.
    Rig rig(way(), direction(), {writable}, {writable});
    rig.move({{0, 10}, {20, 10}, elsewhere(kernel_address, 10), {40, 10}}, {{0, 100}});
    rig.expect(20, EFAULT);
}

TEST_P(EngineContract, ALocalRunThatReachesIntoTheKernelsHalfIsMovedUpToIt) {
    if (sizeof(void*) < 8) GTEST_SKIP() << "a 32-bit program has no such addresses";
    const std::uint64_t top = 0x7fffffffe000;  // the last page of user space, on x86-64
    void* const last = ::mmap(reinterpret_cast<void*>(top), page, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (last != reinterpret_cast<void*>(top)) GTEST_SKIP() << "the last page is taken here";
    const Memory far(3 * page);
    fill(far.span(), 6);
    Child child;
    const Process process = open(child);
    const Segment local(static_cast<std::byte*>(last) + 96, 2 * page);
    const Transfer got = move(process, local, far.address());
    EXPECT_EQ(got.bytes, page - 96);
    EXPECT_EQ(got.error.value(), EFAULT);
    if (reading()) {
        EXPECT_EQ(first_difference(local.first(page - 96), 6), page - 96);
    }
    ::munmap(last, page);
}

}  // namespace
}  // namespace onecopy::test
