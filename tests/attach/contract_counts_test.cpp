// Counts and faults: semantics.md, section 1. Exact to the byte, on either side, in any list.
#include <cerrno>

#include "contract.hpp"

namespace onecopy::test {
namespace {

using enum Page;

INSTANTIATE_TEST_SUITE_P(, EngineContract,
                         ::testing::Combine(::testing::ValuesIn(ways().begin(), ways().end()),
                                            ::testing::Values(Direction::read, Direction::write)),
                         contract_name);

TEST_P(EngineContract, MovesOneRun) {
    Rig rig(way(), direction(), {writable, writable}, {writable, writable});
    rig.move({{10, 5000}}, {{3000, 5000}});
    rig.expect(5000, 0);
}

TEST_P(EngineContract, MovesASingleByte) {
    Rig rig(way(), direction(), {writable}, {writable});
    rig.move({{page - 1, 1}}, {{0, 1}});
    rig.expect(1, 0);
}

TEST_P(EngineContract, FirstRemoteRunInAHoleMovesNothingOfTheRest) {
    Rig rig(way(), direction(), {writable}, {writable, hole});
    rig.move({{0, page}}, {{page, 10}, {0, 10}});
    rig.expect(0, EFAULT);
}

TEST_P(EngineContract, NothingAfterTheFirstFaultIsMoved) {
    Rig rig(way(), direction(), {writable}, {writable, hole, writable});
    rig.move({{0, page}}, {{0, 10}, {page, 10}, {2 * page, 10}});
    rig.expect(10, EFAULT);
}

TEST_P(EngineContract, StopsAtTheExactByteInsideARemoteRun) {
    Rig rig(way(), direction(), {writable}, {writable, writable, hole});
    rig.move({{0, page}}, {{0, 10}, {2 * page - 100, 300}});
    rig.expect(110, EFAULT);
}

TEST_P(EngineContract, StopsAtTheExactByteBeforeARemoteHole) {
    Rig rig(way(), direction(), {writable, writable, writable}, {writable, hole, writable});
    rig.move({{0, 2 * page}}, {{1, 2 * page}});
    rig.expect(page - 1, EFAULT);
}

TEST_P(EngineContract, StopsAtTheExactByteBeforeALocalHole) {
    Rig rig(way(), direction(), {writable, hole}, {writable, writable});
    rig.move({{page - 50, 100}}, {{0, 100}});
    rig.expect(50, EFAULT);
}

TEST_P(EngineContract, StopsAtTheExactByteBeforeALocalHoleAfterManyGoodPages) {
    Rig rig(way(), direction(), {writable, writable, writable, writable, hole},
            {writable, writable, writable, writable, writable});
    rig.move({{7, 5 * page - 7}}, {{5, 5 * page - 5}});
    rig.expect(4 * page - 7, EFAULT);
}

TEST_P(EngineContract, ABadLocalRunBehindGoodOnesStopsBetweenThem) {
    Rig rig(way(), direction(), {writable, hole}, {writable});
    rig.move({{0, 10}, {page, 10}, {20, 10}}, {{0, 30}});
    rig.expect(10, EFAULT);
}

TEST_P(EngineContract, ABadFirstLocalRunMovesNothing) {
    Rig rig(way(), direction(), {writable, hole}, {writable});
    rig.move({{page, 10}, {0, 10}}, {{0, 20}});
    rig.expect(0, EFAULT);
}

TEST_P(EngineContract, TheSmallerOffsetDecidesWhenBothSidesAreBad) {
    struct Case {
        std::uint64_t local, remote, count;
    };
    for (const Case& c : {Case{50, 50, 50}, Case{50, 30, 30}, Case{50, 70, 50}}) {
        Rig rig(way(), direction(), {writable, hole}, {writable, hole});
        rig.move({{page - c.local, 200}}, {{page - c.remote, 200}});
        rig.expect(c.count, EFAULT);
    }
}

TEST_P(EngineContract, AShortCountCanBeResumedAtTheExactByte) {
    Rig rig(way(), direction(), {writable, writable}, {writable, hole, writable});
    rig.move({{0, 2 * page}}, {{0, 2 * page}});
    // The caller skips the hole: what is left of the local run, from the first page after it.
    rig.move({{0, page}, {page, page}}, {{0, page}, {2 * page, page}});
    rig.expect(2 * page, 0);
}

TEST_P(EngineContract, EveryOffsetBeforeAHoleIsExactOnBothSides) {
    for (std::uint64_t before = 0; before < 20; ++before) {
        Rig remote_bad(way(), direction(), {writable}, {writable, hole});
        remote_bad.move({{0, 40}}, {{page - before, 40}});
        remote_bad.expect(before, EFAULT);
        Rig local_bad(way(), direction(), {writable, hole}, {writable});
        local_bad.move({{page - before, 40}}, {{3, 40}});
        local_bad.expect(before, EFAULT);
    }
}

TEST_P(EngineContract, AHoleInTheMiddleOfMegabytesIsFoundToTheByte) {
    // More than what the kernel pins at once (1,024 pages).
    const std::size_t bytes = 16U << 20;
    const std::size_t good = (5U << 20) + 3 * page;
    const Memory far(bytes);
    const Memory near(bytes);
    fill((reading() ? far : near).span(), 5);
    Child child;
    (void)child.run(
        [](const Words& w) -> std::int64_t {
            return ::munmap(reinterpret_cast<void*>(w[0]), page);
        },
        far.address(good));
    const Process process = open(child);
    const Transfer got = move(process, near.span(100, bytes - 100), far.address(100));
    EXPECT_EQ(got.bytes, good - 100);
    EXPECT_EQ(got.error.value(), EFAULT);
    if (reading()) {
        EXPECT_EQ(first_difference(near.span(100, good - 100), 5, 100), good - 100);
        EXPECT_EQ(near.data()[good], std::byte{});
    }
}

TEST_P(EngineContract, ALocalPageThatItsOwnerMayOnlyReadIsASourceButNoDestination) {
    Rig rig(way(), direction(), {writable, read_only}, {writable});
    rig.move({{page - 20, 100}}, {{0, 100}});
    reading() ? rig.expect(20, EFAULT) : rig.expect(100, 0);
}

TEST_P(EngineContract, ALocalPageWithoutAccessIsBad) {
    Rig rig(way(), direction(), {writable, no_access}, {writable});
    rig.move({{page - 20, 100}}, {{0, 100}});
    rig.expect(20, EFAULT);
}

TEST_P(EngineContract, ARemoteReadOnlyPageIsReadAndNeverWritten) {
    Rig rig(way(), direction(), {writable}, {writable, read_only});
    rig.move({{0, 100}}, {{page - 20, 100}});
    reading() ? rig.expect(100, 0) : rig.expect(20, EFAULT);
}

TEST_P(EngineContract, ARemotePageWithoutAccessIsNeverWritten) {
    Rig rig(way(), direction(), {writable}, {writable, no_access});
    rig.move({{0, 100}}, {{page - 20, 100}});
    differs(Difference::reads_protected_pages) ? rig.expect(100, 0) : rig.expect(20, EFAULT);
}

TEST_P(EngineContract, ARemotePageForExecutionOnlyIsNeverWritten) {
    Rig rig(way(), direction(), {writable}, {writable, exec_only});
    rig.move({{0, 100}}, {{page - 20, 100}});
    differs(Difference::reads_protected_pages) ? rig.expect(100, 0) : rig.expect(20, EFAULT);
}

TEST_P(EngineContract, ARemotePageForWritingOnlyIsWrittenAndNotRead) {
    Rig rig(way(), direction(), {writable}, {writable, write_only});
    rig.move({{0, 100}}, {{page - 20, 100}});
    const bool allowed = !reading() || differs(Difference::reads_protected_pages);
    allowed ? rig.expect(100, 0) : rig.expect(20, EFAULT);
}

TEST_P(EngineContract, ARunOverSeveralMappingsIsOneRun) {
    // Different protections make different mappings: a write looks at each of them.
    Rig rig(way(), direction(), {writable, writable, writable, writable},
            {writable, write_only, writable, read_only});
    if (reading()) {
        rig.move({{0, page}}, {{2 * page, 2 * page}});
        rig.expect(page, 0);
    } else {
        rig.move({{0, 4 * page}}, {{0, 4 * page}});
        rig.expect(3 * page, EFAULT);
    }
}

}  // namespace
}  // namespace onecopy::test
