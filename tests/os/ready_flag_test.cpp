// The flag that says without a system call whether a descriptor may be readable.
#include "os/ready_flag.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "os/fd.hpp"
#include "support/child.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

constexpr long pidfd_open_number = 434, io_uring_setup_number = 425, io_uring_enter_number = 426;

struct Pipe {
    Pipe() {
        std::array<int, 2> ends{-1, -1};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        out = os::Fd(ends[0]);
        in = os::Fd(ends[1]);
    }
    void write() const { EXPECT_EQ(::write(in.get(), "x", 1), 1); }
    os::Fd out, in;
};

/// Armed for the calling thread, or the test is skipped (by the caller).
#define ONECOPY_ARM(flag, fd) \
    if (!(flag).arm(fd)) GTEST_SKIP() << "no io_uring with deferred completions here"

TEST(ReadyFlag, IsNotQuietUnlessArmed) {
    const os::ReadyFlag flag;
    EXPECT_FALSE(flag.quiet());
}

TEST(ReadyFlag, IsQuietUntilTheDescriptorIsReadable) {
    const Pipe pipe;
    os::ReadyFlag flag;
    ONECOPY_ARM(flag, pipe.out.get());
    EXPECT_TRUE(flag.quiet());
    EXPECT_TRUE(flag.quiet());
    pipe.write();
    EXPECT_FALSE(flag.quiet());
    char byte = 0;
    EXPECT_EQ(::read(pipe.out.get(), &byte, 1), 1);
    EXPECT_FALSE(flag.quiet());  // it has become readable once: from now on one must ask
}

TEST(ReadyFlag, OfAReadableDescriptorIsNeverQuiet) {
    const Pipe pipe;
    pipe.write();
    os::ReadyFlag flag;
    ONECOPY_ARM(flag, pipe.out.get());
    EXPECT_FALSE(flag.quiet());
}

TEST(ReadyFlag, LivesOnWhenTheDescriptorIsClosed) {
    Pipe pipe;
    const os::Fd other(::dup(pipe.out.get()));
    os::ReadyFlag flag;
    ONECOPY_ARM(flag, pipe.out.get());
    pipe.out = os::Fd{};
    EXPECT_TRUE(flag.quiet());
    pipe.write();
    EXPECT_FALSE(flag.quiet());
}

TEST(ReadyFlag, AnswersOnlyTheThreadThatArmedIt) {
    const Pipe pipe;
    os::ReadyFlag flag;
    ONECOPY_ARM(flag, pipe.out.get());
    std::thread([&] { EXPECT_FALSE(flag.quiet()); }).join();
    EXPECT_TRUE(flag.quiet());
}

TEST(ReadyFlag, IsNoLongerQuietWhenItsThreadHasEnded) {
    const Pipe pipe;
    for (int round = 0; round < 50; ++round) {
        os::ReadyFlag flag;
        bool armed = false;
        std::thread([&] {
            armed = flag.arm(pipe.out.get());
            EXPECT_EQ(flag.quiet(), armed);
        }).join();
        if (!armed) GTEST_SKIP() << "no io_uring with deferred completions here";
        EXPECT_FALSE(flag.quiet());
        std::thread([&] {
            EXPECT_FALSE(flag.quiet());
        }).join();  // at the same addresses, most likely
    }
}

TEST(ReadyFlag, DoesNotAnswerAForkedChildWhichMayArmItsOwn) {
    const Pipe pipe;
    os::ReadyFlag flag;
    ONECOPY_ARM(flag, pipe.out.get());
    const int wrong = forked([&] {
        int found = flag.quiet() ? 1 : 0;
        const Pipe other;
        os::ReadyFlag own;
        found += own.arm(other.out.get()) && own.quiet() ? 0 : 2;
        found += flag.quiet() ? 4 : 0;  // the child has a number of its own by now
        found += forked([&] { return flag.quiet() || own.quiet() ? 8 : 0; });
        other.write();
        return found + (own.quiet() ? 16 : 0);
    });
    EXPECT_EQ(wrong, 0);
    EXPECT_TRUE(flag.quiet());
}

TEST(ReadyFlag, TellsItsOwnNewsOnly) {
    const Pipe pipe;
    const Pipe other_pipe;
    os::ReadyFlag flag;
    os::ReadyFlag other;
    ONECOPY_ARM(flag, pipe.out.get());
    ONECOPY_ARM(other, other_pipe.out.get());
    other_pipe.write();
    EXPECT_TRUE(flag.quiet() || flag.still_quiet());  // the ring has news, but not of this one
    EXPECT_FALSE(other.quiet());
    EXPECT_TRUE(flag.quiet());
    EXPECT_FALSE(other.still_quiet());
    pipe.write();
    EXPECT_FALSE(flag.quiet());
    EXPECT_FALSE(flag.still_quiet());
}

TEST(ReadyFlag, PlacesOfDestroyedOnesAreUsedAgain) {
    const Pipe pipe;
    os::ReadyFlag first;
    ONECOPY_ARM(first, pipe.out.get());
    for (std::size_t round = 0; round < 2 * os::ThreadRing::slots; ++round) {
        os::ReadyFlag flag;
        ASSERT_TRUE(flag.arm(pipe.out.get())) << round;
        ASSERT_TRUE(flag.quiet());
    }
    // Those that another thread destroys, too.
    constexpr std::size_t some = os::ThreadRing::slots / 2;
    for (std::size_t round = 0; round < 3; ++round) {
        std::vector<os::ReadyFlag> flags(some);
        for (os::ReadyFlag& flag : flags) ASSERT_TRUE(flag.arm(pipe.out.get())) << round;
        std::thread([taken = std::move(flags)]() mutable { taken.clear(); }).join();
    }
    // And those that were no longer quiet.
    pipe.write();
    for (std::size_t round = 0; round < 2 * os::ThreadRing::slots; ++round) {
        os::ReadyFlag flag;
        ASSERT_TRUE(flag.arm(pipe.out.get())) << round;
        ASSERT_FALSE(flag.quiet());
    }
}

TEST(ReadyFlag, ManyAtOnceAreAllHeard) {
    std::vector<Pipe> pipes(300);
    std::vector<os::ReadyFlag> flags(pipes.size());
    ONECOPY_ARM(flags[0], pipes[0].out.get());
    for (std::size_t i = 1; i < pipes.size(); ++i) ASSERT_TRUE(flags[i].arm(pipes[i].out.get()));
    for (std::size_t i = 0; i < pipes.size(); i += 2) pipes[i].write();
    // The last first: nothing may stand behind what the kernel tells at a time.
    for (std::size_t i = pipes.size(); i-- > 0;) {
        EXPECT_EQ(flags[i].quiet() || flags[i].still_quiet(), i % 2 == 1) << i;
    }
}

TEST(ReadyFlag, IsNotQuietOnceTheKernelRefusesToTell) {
    const int wrong = forked([] {
        const Pipe pipe;
        const Pipe other_pipe;
        os::ReadyFlag flag;
        os::ReadyFlag other;
        if (!flag.arm(pipe.out.get()) || !other.arm(other_pipe.out.get())) return 0;
        if (refuse(std::array{Refusal{io_uring_enter_number, EPERM}}) != 0) return 0;
        const int before = flag.quiet() ? 0 : 1;
        pipe.write();
        return before + (flag.quiet() || flag.still_quiet() ? 2 : 0) +
               (other.quiet() || other.still_quiet() ? 4 : 0);
    });
    EXPECT_EQ(wrong, 0);
}

TEST(ReadyFlag, NeverInterruptsASystemCallOfItsThread) {
    const os::Fd nothing(::epoll_create1(EPOLL_CLOEXEC));
    const Pipe pipe;
    auto one = std::make_unique<os::ReadyFlag>();
    auto two = std::make_unique<os::ReadyFlag>();
    os::ReadyFlag three;
    ONECOPY_ARM(*one, pipe.out.get());
    ASSERT_TRUE(two->arm(pipe.out.get()));
    ASSERT_TRUE(three.arm(pipe.out.get()));
    // This thread sleeps while another does something.
    const auto sleep_during = [&](const std::function<void()>& something) {
        const std::jthread other([&] {
            nap(20);
            something();
        });
        epoll_event event{};
        return ::epoll_wait(nothing.get(), &event, 1, 100) == 0 ? 0 : errno;
    };
    one.reset();  // destroyed here
    EXPECT_EQ(sleep_during([] {}), 0);
    EXPECT_EQ(sleep_during([&] { two.reset(); }), 0);   // and there
    EXPECT_EQ(sleep_during([&] { pipe.write(); }), 0);  // and what they waited for comes
    EXPECT_FALSE(three.quiet());
}

TEST(ReadyFlag, IsSwitchedOffByTheEnvironment) {
    const char* const word = std::getenv("ONECOPY_IO_URING");
    if (word == nullptr) GTEST_SKIP() << "run by itself with ONECOPY_IO_URING=0";
    const Pipe pipe;
    os::ReadyFlag flag;
    EXPECT_FALSE(flag.arm(pipe.out.get()));
    EXPECT_FALSE(flag.quiet());
}

TEST(ReadyFlag, IsNeverArmedWhereTheKernelRefuses) {
    const int wrong = forked([] {
        if (refuse(std::array{Refusal{io_uring_setup_number, EPERM}}) != 0) return 0;
        const Pipe pipe;
        os::ReadyFlag flag;
        return (flag.arm(pipe.out.get()) ? 1 : 0) + (flag.quiet() ? 2 : 0);
    });
    EXPECT_EQ(wrong, 0);
}

TEST(ReadyFlag, IsSetBeforeAPidIsFree) {
    // The target is reaped by somebody else, who tells us through memory: no system call of ours
    // stands between the reaping and the look at the flag.
    struct Shared {
        std::atomic<int> target, reaped;
    };
    void* const page =
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(page, MAP_FAILED);
    auto* const shared = new (page) Shared{};
    Child reaper;
    for (int round = 0; round < 300; ++round) {
        reaper.start(
            [](const Words& words) -> std::int64_t {
                auto* const told = reinterpret_cast<Shared*>(words[0]);
                const pid_t target = ::fork();
                if (target == 0) {
                    for (;;) ::pause();
                }
                told->target = target;
                ::waitpid(target, nullptr, 0);
                told->reaped = target;
                return 0;
            },
            shared);
        while (shared->target == 0) std::this_thread::yield();
        const int target = shared->target.exchange(0);
        const os::Fd pidfd(static_cast<int>(::syscall(pidfd_open_number, target, 0U)));
        os::ReadyFlag flag;
        const bool armed = pidfd && flag.arm(pidfd.get());
        EXPECT_EQ(flag.quiet(), armed);
        ::kill(target, SIGKILL);
        while (shared->reaped != target) {
        }
        EXPECT_FALSE(flag.quiet());
        reaper.finish();
        if (!armed) GTEST_SKIP() << "no pidfd_open, or no io_uring with deferred completions here";
    }
    ::munmap(page, 4096);
}

}  // namespace
}  // namespace onecopy::test
