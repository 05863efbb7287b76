// Handles: notices of death, moves, forks, relatives and namespaces.
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "contract.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

using std::chrono::milliseconds;

TEST(ProcessHandle, TellsOfADeathInEveryWayItOffers) {
    Child child;
    const Process process(child.pid());
    EXPECT_TRUE(process.alive());
    EXPECT_TRUE(process.same_image());
    EXPECT_FALSE(process.access());
    EXPECT_FALSE(process.wait_for_death(milliseconds(0)));
    EXPECT_FALSE(process.wait_for_death(milliseconds(3)));
    pollfd waiting{process.death_fd(), POLLIN, 0};
    if (process.death_fd() >= 0) {
        EXPECT_EQ(::poll(&waiting, 1, 0), 0);
    }
    std::jthread killer([&] {
        nap(20);
        child.signal(SIGKILL);
    });
    if (process.death_fd() >= 0) {
        EXPECT_EQ(::poll(&waiting, 1, deadlock_guard_ms), 1);
    }
    EXPECT_TRUE(process.wait_for_death(milliseconds(-1)));
    EXPECT_TRUE(process.wait_for_death(milliseconds(0)));
    EXPECT_FALSE(process.alive());
    EXPECT_EQ(process.access().value(), ESRCH);
}

TEST(ProcessHandle, AStoppedProcessIsAliveAndAllThatWaitedForItsDeathGoOnWaiting) {
    Child child;
    const Process process(child.pid());
    child.signal(SIGSTOP);
    EXPECT_TRUE(process.alive());
    EXPECT_FALSE(process.wait_for_death(milliseconds(20)));
    EXPECT_FALSE(process.access());
    child.signal(SIGCONT);
}

TEST(ProcessHandle, ThatWasMovedFromIsEmptyAndHarmless) {
    Child child;
    Process process(child.pid());
    const Process other = std::move(process);
    std::array<std::byte, 8> bytes{};
    const Process& empty = process;  // NOLINT(bugprone-use-after-move): that is the test
    EXPECT_TRUE(empty.empty());
    EXPECT_EQ(empty.pid(), -1);
    EXPECT_FALSE(empty.alive());
    EXPECT_FALSE(empty.same_image());
    EXPECT_EQ(empty.death_fd(), -1);
    EXPECT_TRUE(empty.wait_for_death(milliseconds(-1)));
    EXPECT_EQ(empty.access().value(), ESRCH);
    EXPECT_EQ(read(empty, 0, bytes).error.value(), ESRCH);
    EXPECT_EQ(write(empty, bytes, 0).error.value(), ESRCH);
    EXPECT_EQ(other.pid(), child.pid());
    EXPECT_TRUE(other.alive());
}

TEST_P(EngineContract, AHandleGoesOnWorkingInAForkedChild) {
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 6);
    Child child;
    const Process process = open(child);
    const auto got = forked([&] {
        const Transfer moved = move(process, near.span(0, 100), far.address());
        const bool right = !reading() || first_difference(near.span(0, 100), 5) == 100;
        return right && process.alive() ? moved.bytes : std::uint64_t{0};
    });
    EXPECT_EQ(got, 100U);
    EXPECT_TRUE(process.alive());
}

TEST_P(EngineContract, AHandleOnOneselfMeansTheParentInAForkedChild) {
    const Memory far({Page::writable, Page::writable}, 5);
    const Memory near({Page::writable}, 6);
    const Process self(::getpid(), {false, way().held});
    struct Result {
        std::uint64_t bytes;
        int error;
        bool right, alive;
    };
    const auto in_the_child = [&] {
        fill(far.span(), 7);  // in the child alone
        far.protect(1, Page::hole);
        const Transfer moved = move(self, near.span(0, 100), far.address(page));
        // Overlapping addresses of two processes do not overlap.
        const Transfer apart = move(self, far.span(10, 100), far.address());
        return Result{moved.bytes + apart.bytes, moved.error.value() + apart.error.value(),
                      !reading() || (first_difference(near.span(0, 100), 5, page) == 100 &&
                                     first_difference(far.span(10, 100), 5) == 100),
                      self.alive()};
    };
    const Result got = forked(in_the_child);
    EXPECT_EQ(got.bytes, 200U);
    EXPECT_EQ(got.error, 0);
    EXPECT_TRUE(got.right && got.alive);
    if (!reading()) {
        EXPECT_EQ(first_difference(far.span(page, 100), 6), 100U);
        EXPECT_EQ(first_difference(far.span(0, 100), 7, 10), 100U);
    }
}

TEST(ProcessHandle, ARelativeThatSharesMemoryIsNotTheTarget) {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "ThreadSanitizer's clone hands its argument over on a stack that both use";
#endif
    // clone(CLONE_VM): one memory, two processes. When the target has ended its handle is dead,
    // though the memory lives on in the other.
    const Memory far({Page::writable}, 5);
    Child child;
    const Relative relative(child);
    const Process target(child.pid());
    const Process other(relative.pid());
    std::array<std::byte, 8> bytes{};
    EXPECT_EQ(write(target, far.span(100, 8), far.address()).bytes, 8U);
    EXPECT_EQ(read(other, far.address(), bytes).bytes, 8U);
    EXPECT_EQ(first_difference(bytes, 5, 100), 8U);  // written through the one, seen by the other
    child.kill();
    const Transfer dead = write(target, far.span(200, 8), far.address());
    EXPECT_EQ(dead.error.value(), ESRCH);
    EXPECT_EQ(dead.bytes, 0U);
    EXPECT_EQ(read(target, far.address(), bytes).error.value(), ESRCH);
    EXPECT_TRUE(other.alive());
    EXPECT_EQ(read(other, far.address(), bytes).bytes, 8U);
    EXPECT_EQ(first_difference(bytes, 5, 100), 8U);
}

TEST(PidNamespace, AProcessSeesItsNeighboursByTheirNumbersThere) {
    ONECOPY_NEEDS_ROOT();
    // /proc is the outer one: /proc/N there is somebody else. So a neighbour is read by number,
    // and written only by who vouches for it.
    struct Result {
        int number, open_error;
        std::uint64_t read;
        bool right;
        std::uint64_t written;
        int write_error;
        std::uint64_t held_written;
        bool alive, image;
        int access;
        std::uint64_t self;
    };
    const Memory far({Page::writable}, 5);
    const auto result = forked([&] {
        if (::unshare(CLONE_NEWPID) != 0) return Result{};
        return forked([&] {  // process 1 of the new namespace
            Child neighbour;
            std::array<std::byte, 8> bytes{};
            Result seen{};
            seen.number = neighbour.pid();
            std::error_code error;
            const Process process(neighbour.pid(), {}, error);
            seen.open_error = error.value();
            if (error) return seen;
            const Process held(neighbour.pid(), {false, true});
            seen.read = read(process, far.address(), bytes).bytes;
            seen.right = first_difference(bytes, 5) == bytes.size();
            const Transfer wrote = write(process, bytes, far.address(100));
            seen.written = wrote.bytes;
            seen.write_error = wrote.error.value();
            seen.held_written = write(held, bytes, far.address(100)).bytes;
            seen.alive = process.alive();
            seen.image = process.same_image();
            seen.access = process.access().value();
            const Process self = Process::self();
            seen.self = read(self, far.address(50), bytes).bytes;
            return seen;
        });
    });
    EXPECT_LT(result.number, 10);             // 2, unless a sanitizer has threads of its own
    if (result.open_error == ENOSYS) return;  // without pidfd_open nothing tells who is alive
    EXPECT_EQ(result.open_error, 0);
    EXPECT_EQ(result.read, 8U);
    EXPECT_TRUE(result.right);
    EXPECT_EQ(result.written, 0U);
    EXPECT_EQ(result.write_error, EPERM);
    EXPECT_EQ(result.held_written, 8U);
    EXPECT_TRUE(result.alive);
    EXPECT_TRUE(result.image);
    EXPECT_EQ(result.access, 0);
    EXPECT_EQ(result.self, 8U);
}

TEST(PidNamespace, ATargetInsideIsReachedByItsOuterNumber) {
    ONECOPY_NEEDS_ROOT();
    const Memory far({Page::writable}, 5);
    Child keeper;
    const Job enter = [](const Words&) -> std::int64_t {
        static Child* inside = nullptr;
        if (::unshare(CLONE_NEWPID) != 0) return -1;
        inside = new Child;
        return inside->pid();
    };
    const auto number = static_cast<int>(keeper.run(enter));
    ASSERT_GT(number, 0);
    const Process process(number);
    std::array<std::byte, 8> bytes{};
    EXPECT_EQ(read(process, far.address(), bytes).bytes, 8U);
    EXPECT_EQ(first_difference(bytes, 5), 8U);
    EXPECT_EQ(write(process, bytes, far.address(100)).bytes, 8U);
}

}  // namespace
}  // namespace onecopy::test
