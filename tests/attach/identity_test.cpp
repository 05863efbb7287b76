// A Process never becomes somebody else: zombies, kernel threads, recycled numbers (semantics.md,
// 2, 6).
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "contract.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

using std::chrono::milliseconds;

TEST_P(EngineContract, AZombieHasNoMemory) {
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 6);
    Child child;
    const Process before = open(child);
    child.kill();
    const Process after = open(child);
    for (const Process* process : {&before, &after}) {
        EXPECT_FALSE(process->alive());
        EXPECT_FALSE(process->same_image());
        EXPECT_EQ(process->access().value(), ESRCH);
        const Transfer got = move(*process, near.span(0, 8), far.address());
        EXPECT_EQ(got.bytes, 0U);
        EXPECT_EQ(got.error.value(), ESRCH);
    }
}

TEST_P(EngineContract, AReapedProcessIsGone) {
    const Memory far({Page::writable}, 5);
    Child child;
    const Process process = open(child);
    child.reap();
    EXPECT_FALSE(process.alive());
    const Transfer got = move(process, far.span(0, 8), far.address());
    EXPECT_EQ(got.bytes, 0U);
    EXPECT_EQ(got.error.value(), ESRCH);
}

TEST_P(EngineContract, AKernelThreadHasNoMemory) {
    ONECOPY_NEEDS_ROOT();
    std::array<char, 64> name{};
    const ssize_t got_name = ::readlink("/proc/2/exe", name.data(), name.size());
    if (got_name >= 0 || ::kill(2, 0) != 0) GTEST_SKIP() << "process 2 is no kernel thread here";
    const Memory near(page);
    const Process process(2, {false, way().held});
    EXPECT_TRUE(process.alive());
    EXPECT_EQ(process.access().value(), ESRCH);
    const Transfer got = move(process, near.span(0, 8), near.address());
    EXPECT_EQ(got.bytes, 0U);
    EXPECT_EQ(got.error.value(), ESRCH);
}

TEST_P(EngineContract, AStrangerWithARecycledNumberIsNeverReadOrWritten) {
    ONECOPY_NEEDS_ROOT();
    const Memory far({Page::writable, Page::writable}, 5);
    const Memory near({Page::writable, Page::writable}, 6);
    Child child;
    const Process process = open(child);
    EXPECT_EQ(move(process, near.span(0, 8), far.address()).bytes, 8U);
    const int number = child.pid();
    child.reap();
    fill(far.span(), 7);
    Child stranger(number);
    ASSERT_EQ(stranger.pid(), process.pid());
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{8}, 2 * page}) {
        const Transfer got = move(process, near.span(0, bytes), far.address());
        EXPECT_EQ(got.bytes, 0U);
        EXPECT_EQ(got.error.value(), ESRCH);
    }
    EXPECT_FALSE(process.alive());
    EXPECT_FALSE(process.same_image());
    EXPECT_EQ(process.access().value(), ESRCH);
    EXPECT_TRUE(process.wait_for_death(milliseconds(0)));
    const Job untouched = [](const Words& w) -> std::int64_t {
        return first_difference(bytes_in(w, 0), 7) == size_in(w, 1);
    };
    EXPECT_EQ(stranger.run(untouched, far.address(), far.bytes()), 1);
}

TEST_P(EngineContract, AStrangerIsNotWrittenEvenIfTheFirstWriteComesAfterTheRecycling) {
    // Nothing but the handle was made in time: the maps descriptor, for one, is opened by the
    // first write, and by number.
    ONECOPY_NEEDS_ROOT();
    const Memory far({Page::writable}, 5);
    Child child;
    const Process process = open(child);
    const int number = child.pid();
    child.reap();
    Child stranger(number);
    const Memory near({Page::writable}, 6);
    EXPECT_EQ(move(process, near.span(0, 8), far.address()).error.value(), ESRCH);
    const Job look = [](const Words& w) -> std::int64_t {
        return *reinterpret_cast<unsigned char*>(w[0]);
    };
    EXPECT_EQ(stranger.run(look, far.address()), static_cast<int>(pattern(5, 0)));
}

}  // namespace
}  // namespace onecopy::test
