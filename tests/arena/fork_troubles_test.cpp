// Forks in the middle of things: threads that make and destroy, children that free at once,
// signals, limits. Most of these were found by breaking an earlier version.
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "arena/forks.hpp"
#include "arena/space.hpp"
#include "forking.hpp"
#include "onecopy/arena.hpp"
#include "onecopy/attachment.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"
#include "support/sanitizers.hpp"

namespace onecopy::test {
namespace {

constexpr std::size_t mib = 1 << 20;

class ForkTrouble : public testing::Test {
protected:
    /// `change` is done by the child at once; then `block` must still be its own.
    void expect_own(std::span<std::byte> block, const std::function<void()>& change) {
        const Turns turns;
        const pid_t child = fork_to([&] {
            change();
            turns.parent_goes_on();
            turns.wait_as_child();
            return is_filled(block, 1) ? 0 : 1;
        });
        fill(block, 2);
        turns.wait_as_parent();
        turns.child_goes_on();
        EXPECT_EQ(status_of(child), 0);
    }
    Arena arena_{{.capacity_bytes = 256 * mib}};
};

TEST_F(ForkTrouble, AChildThatFreesAtOnceKeepsTheRest) {
    const std::span<std::byte> first = block_of(arena_, mib), second = block_of(arena_, mib);
    fill(first, 1);
    fill(second, 1);
    expect_own(second, [&] { arena_.deallocate(first.data(), first.size(), 64); });
}

TEST_F(ForkTrouble, AChildThatUnmapsOrProtectsAPageKeepsTheRest) {
    const std::span<std::byte> block = block_of(arena_, 3 * mib);
    fill(block, 1);
    fill(block.subspan(mib), 1);
    expect_own(block.subspan(mib), [&] { ::munmap(block.data() + mib - page, page); });
    fill(block, 1);
    expect_own(block, [&] { ::mprotect(block.data() + mib, page, PROT_READ); });
}

TEST_F(ForkTrouble, AChildWhoseFirstThreadEndsKeepsItsCopy) {
    ONECOPY_NOT_UNDER_TSAN("threads of a child");
    const std::span<std::byte> block = block_of(arena_, 4 * mib);
    fill(block, 1);
    static const Turns* turns = nullptr;
    static std::span<std::byte> looked_at;
    const Turns own;
    turns = &own;
    looked_at = block;
    const pid_t child = fork_to([] {
        pthread_t thread;
        const auto look = [](void*) -> void* {
            turns->wait_as_child();
            ::_exit(is_filled(looked_at, 1) ? 0 : 1);
        };
        ::pthread_create(&thread, nullptr, look, nullptr);
        ::syscall(SYS_exit, 0);
        return 2;
    });
    fill(block, 2);
    own.child_goes_on();
    EXPECT_EQ(status_of(child), 0);
}

TEST_F(ForkTrouble, SignalsWaitUntilItIsOver) {
    const std::span<std::byte> block = block_of(arena_, 4 * mib);
    static std::atomic<std::uint64_t>* counter = nullptr;
    counter = reinterpret_cast<std::atomic<std::uint64_t>*>(block.data() + 2 * mib);
    std::memset(block.data(), 0, block.size());
    struct sigaction action {
    }, before{};
    action.sa_handler = [](int) { ++*counter; };
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGALRM, &action, &before);
    const itimerval often{{0, 300}, {0, 300}}, never{};
    ::setitimer(ITIMER_REAL, &often, nullptr);
    for (int round = 0; round < 10; ++round) {
        const pid_t child = fork_to([] {
            ::signal(SIGALRM, SIG_IGN);
            const std::uint64_t seen = *counter;
            ::usleep(10000);
            return *counter == seen ? 0 : 1;
        });
        EXPECT_EQ(status_of(child), 0);
    }
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before, nullptr);
    sigset_t now;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
    EXPECT_EQ(sigismember(&now, SIGALRM), 0);
    EXPECT_GT(counter->load(), 0U);
}

TEST_F(ForkTrouble, TheProgramsOwnDescriptorsAreLeftAlone) {
    fill(block_of(arena_, 4 * mib), 1);
    const pid_t child = fork_to([] {
        // As daemons do; what is opened next has the numbers of what was closed.
        for (int number = 3; number < 100; ++number) ::close(number);
        for (int i = 0; i < 20; ++i) {
            if (::open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) return 2;
        }
        status_of(fork_to([] { return 0; }));
        for (int number = 3; number < 23; ++number) {
            if (::fcntl(number, F_GETFD) < 0) return 1;
        }
        return 0;
    });
    EXPECT_EQ(status_of(child), 0);
}

TEST_F(ForkTrouble, SparseBlocksOfAnyNumberOfPiecesAreCopied) {
    // Every second page: more runs than a process may have mappings.
    Arena arena({.capacity_bytes = 320 * mib});
    const std::span<std::byte> block = block_of(arena, 300 * mib);
    const std::size_t count = block.size() / page;
    for (std::size_t i = 0; i < count; i += 2) block[i * page] = std::byte{7};
    const Turns turns;
    const pid_t child = fork_to([&] {
        turns.wait_as_child();
        for (std::size_t i = 0; i < count; ++i) {
            if (block[i * page] != std::byte{i % 2 == 0 ? std::uint8_t{7} : std::uint8_t{0}}) {
                return 1;
            }
        }
        return 0;
    });
    std::memset(block.data(), 9, block.size());
    turns.child_goes_on();
    EXPECT_EQ(status_of(child), 0);
}

TEST_F(ForkTrouble, WithoutADescriptorTheForkIsRefused) {
    fill(block_of(arena_, 4 * mib), 1);
    const int answer = forked([]() -> int {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        std::vector<int> all;
        limit.rlim_cur = std::min<rlim_t>(limit.rlim_cur, 256);
        ::setrlimit(RLIMIT_NOFILE, &limit);
        Arena arena({.capacity_bytes = 64 * mib});
        fill(block_of(arena, 4 * mib), 1);
        for (int made = ::dup(0); made >= 0; made = ::dup(0)) all.push_back(made);
        const pid_t child = ::fork();
        if (child == 0) ::_exit(0);
        if (child < 0) return 3;
        if (!arena::fork_was_refused()) return 1;
        return status_of(child) == 1000 + SIGKILL ? 0 : 2;
    });
    EXPECT_EQ(answer, 0);
}

TEST_F(ForkTrouble, WhatOtherThreadsTouchedBeforeIsThere) {
    ONECOPY_NOT_UNDER_TSAN("a race that is meant");
    // A thread that touches page after page, and says in ordinary memory how far it is.
    const std::span<std::byte> block = block_of(arena_, 64 * mib);
    std::atomic<std::size_t> touched{0};
    std::atomic<bool> stop{false};
    std::thread toucher([&] {
        for (std::size_t i = 0; i < block.size() / page && !stop; ++i) {
            block[i * page] = std::byte{1};
            touched = i + 1;
        }
    });
    for (int round = 0; round < 10; ++round) {
        const pid_t child = fork_to([&] {
            const std::size_t all = touched;
            for (std::size_t i = 0; i < all; ++i) {
                if (block[i * page] != std::byte{1}) return 1;
            }
            return 0;
        });
        EXPECT_EQ(status_of(child), 0);
    }
    stop = true;
    toucher.join();
}

/// What other threads make and destroy while children are forked.
template <class Make>
void fork_beside(const Make& make) {
    std::atomic<bool> stop{false};
    std::thread maker([&] {
        while (!stop) make();
    });
    for (int round = 0; round < 200; ++round) {
        const pid_t child = fork_to([] { return 0; });
        ASSERT_EQ(status_of(child), 0) << "round " << round;
    }
    stop = true;
    maker.join();
}

TEST_F(ForkTrouble, BesideThreadsThatMakeAndDestroyWindows) {
    fork_beside([] { const Windows windows; });
}
TEST_F(ForkTrouble, BesideThreadsThatAttach) {
    const Windows windows;
    const auto base = reinterpret_cast<std::uintptr_t>(arena_.range().data());
    fork_beside([&] { const Attachment attachment(windows, ::dup(arena_.fd()), base); });
}
TEST_F(ForkTrouble, BesideThreadsThatMakeAndDestroyArenas) {
    fork_beside([] {
        Arena arena({.capacity_bytes = mib});
        arena.deallocate(arena.allocate(70000, 64), 70000, 64);
    });
}

TEST_F(ForkTrouble, AViewOfTheParentsIsNothingInTheChild) {
    ONECOPY_NOT_UNDER_TSAN("its own mappings");
    const Windows windows({.window_bytes = 2 * mib, .windows = 4});
    const auto base = reinterpret_cast<std::uintptr_t>(arena_.range().data());
    std::error_code error;
    auto view = std::make_unique<View>();
    {
        const Attachment attachment(windows, ::dup(arena_.fd()), base);
        *view = attachment.reach(base, page, error);
    }
    const pid_t child = fork_to([&] {
        std::byte* const there = view->bytes().data();
        auto* const own = static_cast<std::byte*>(
            ::mmap(there, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (own != there) return 77;
        view.reset();  // must not unmap what the child has put there
        *own = std::byte{1};
        return 0;
    });
    EXPECT_EQ(status_of(child), 0);
}

}  // namespace
}  // namespace onecopy::test
