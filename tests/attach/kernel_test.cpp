// The bare kernel, where we rely on it: no line of ours is called. Where kernels differ, all the
// documented answers are accepted. Rows: semantics.md.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <ostream>
#include <string>
#include <vector>

#include "contract.hpp"
#include "os/fd.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

constexpr long pidfd_open_number = 434;
constexpr int absent_pid = INT_MAX;  // beyond any pid_max

/// The system call itself: lists as they are.
struct Answer {
    long moved;
    int error;
    bool operator==(const Answer&) const = default;
};
void PrintTo(const Answer& a, std::ostream* out) { *out << a.moved << " errno " << a.error; }

Answer call(int pid, const iovec* local, unsigned long locals, const iovec* remote,
            unsigned long remotes, unsigned long flags = 0) {
    const long moved = ::syscall(SYS_process_vm_readv, static_cast<long>(pid), local, locals,
                                 remote, remotes, flags);
    return {moved, moved < 0 ? errno : 0};
}
Answer failed(int error) { return {-1, error}; }

class Kernel : public ::testing::Test {
protected:
    Kernel()
        : far({Page::writable, Page::writable, Page::hole}, 5),
          near({Page::writable, Page::hole}, 6) {
        here = {near.data(), 8};
        there = {far.data(), 8};
    }
    [[nodiscard]] os::Fd mem(int flags = O_RDWR) const {
        const std::string path = "/proc/" + std::to_string(child.pid()) + "/mem";
        return os::Fd(::open(path.c_str(), flags | O_CLOEXEC));
    }
    [[nodiscard]] off_t at(std::size_t offset) const {
        return static_cast<off_t>(far.address(offset));
    }

    Memory far, near;
    Child child;
    iovec here{}, there{};
};

iovec at_kernel(std::size_t bytes) {
    return {reinterpret_cast<void*>(~std::uintptr_t{0} - 4095), bytes};
}

TEST_F(Kernel, ChecksInAFixedOrder) {  // 1.9, 2.1-2.3, 2.11
    iovec empty{near.data(), 0};
    EXPECT_EQ(call(absent_pid, nullptr, 1, nullptr, 1, 1), failed(EINVAL));  // flags
    EXPECT_EQ(call(absent_pid, &here, 1025, &there, 1), failed(EINVAL));     // the local list
    EXPECT_EQ(call(absent_pid, nullptr, 1, &there, 1), failed(EFAULT));
    EXPECT_EQ(call(absent_pid, nullptr, 0, nullptr, 1025), (Answer{0, 0}));  // nothing local: done
    EXPECT_EQ(call(absent_pid, &empty, 1, nullptr, 1), (Answer{0, 0}));
    EXPECT_EQ(call(absent_pid, &here, 1, &there, 1025), failed(EINVAL));  // the remote list
    EXPECT_EQ(call(absent_pid, &here, 1, nullptr, 1), failed(EFAULT));
    EXPECT_EQ(call(absent_pid, &here, 1, &empty, 1), (Answer{0, 0}));  // nothing remote: done
    EXPECT_EQ(call(absent_pid, &here, 1, &there, 1), failed(ESRCH));   // the process
    EXPECT_EQ(call(child.pid(), &here, 1, &there, 1), (Answer{8, 0}));
}

TEST_F(Kernel, Takes1024ElementsASide) {  // 2.1
    std::vector<iovec> local;
    std::vector<iovec> remote;
    for (std::size_t i = 0; i < 1025; ++i) {
        local.push_back({near.data() + i, 1});
        remote.push_back({far.data() + i, 1});
    }
    EXPECT_EQ(call(child.pid(), local.data(), 1024, remote.data(), 1024), (Answer{1024, 0}));
    EXPECT_EQ(call(child.pid(), local.data(), 1025, remote.data(), 1), failed(EINVAL));
    EXPECT_EQ(call(child.pid(), local.data(), 1, remote.data(), 1025), failed(EINVAL));
    EXPECT_EQ(call(child.pid(), local.data(), ~0UL, remote.data(), 1), failed(EINVAL));
}

TEST_F(Kernel, RefusesAWholeListForOneLocalAddressOfItsHalf) {  // 2.4, 2.5
    if (sizeof(void*) < 8) GTEST_SKIP() << "a 32-bit program has no such addresses";
    const std::array late{here, at_kernel(1)};
    EXPECT_EQ(call(child.pid(), late.data(), 2, &there, 1), failed(EFAULT));
    const std::array empty{at_kernel(0), here};
    EXPECT_EQ(call(child.pid(), empty.data(), 2, &there, 1), failed(EFAULT));
    const std::array remote{at_kernel(0), there};
    EXPECT_EQ(call(child.pid(), &here, 1, remote.data(), 2), (Answer{8, 0}));
}

TEST_F(Kernel, CutsACallSilentlyBelow2GiB) {  // 2.8
    const std::size_t piece = 2U << 20;
    const Memory here_again(piece);
    const Memory there_again(piece);
    Child target;
    const std::vector<iovec> local(1024, {here_again.data(), piece});
    const std::vector<iovec> remote(1024, {there_again.data(), piece});
    EXPECT_EQ(call(target.pid(), local.data(), 1024, remote.data(), 1024), (Answer{0x7ffff000, 0}));
}

TEST_F(Kernel, NumbersThatNameNoProcessAreESRCH) {  // 2.14, 2.17
    for (const int pid : {0, -1, INT_MIN, -::getpgrp(), absent_pid}) {
        EXPECT_EQ(call(pid, &here, 1, &there, 1), failed(ESRCH)) << pid;
    }
    child.kill();
    EXPECT_EQ(call(child.pid(), &here, 1, &there, 1), failed(ESRCH));
    child.reap();
}

TEST_F(Kernel, AnswersTheProbeByEFAULTOrEPERMOrESRCH) {  // 3
    const iovec kernel = at_kernel(1);
    iovec one{near.data(), 1};
    if (sizeof(void*) == 8) {
        EXPECT_EQ(call(child.pid(), &one, 1, &kernel, 1), failed(EFAULT));
        // The trap: with a *local* address of the kernel's half an absent process looks reachable.
        EXPECT_EQ(call(absent_pid, &kernel, 1, &one, 1), failed(EFAULT));
    }
    EXPECT_EQ(call(absent_pid, &one, 1, &kernel, 1), failed(ESRCH));
    if (!is_root()) return;
    const int pid = child.pid();
    const Answer forbidden = forked([&] {
        iovec byte{near.data(), 1};
        return become(user()) == 0 ? call(pid, &byte, 1, &kernel, 1) : Answer{};
    });
    EXPECT_EQ(forbidden, failed(EPERM));
}

TEST_F(Kernel, ASelfTransferFailsOnlyByAFilter) {  // 2.12, 4
    EXPECT_EQ(call(::getpid(), &here, 1, &there, 1), (Answer{8, 0}));
    for (const int error : {EPERM, ENOSYS, EACCES}) {
        const Answer got = forked([&] {
            const std::array refusals{Refusal{SYS_process_vm_readv, error}};
            return refuse(refusals) == 0 ? call(::getpid(), &here, 1, &there, 1) : Answer{};
        });
        EXPECT_EQ(got, failed(error));
    }
}

TEST_F(Kernel, MemCountsToTheByteBeforeARemoteHoleAndSaysEIO) {  // 5.1, 5.6
    const os::Fd file = mem();
    std::array<char, 200> bytes{};
    EXPECT_EQ(::pread(file.get(), bytes.data(), 200, at(2 * page - 100)), 100);
    EXPECT_EQ(::pread(file.get(), bytes.data(), 8, at(2 * page)), -1);
    EXPECT_EQ(errno, EIO);
    EXPECT_EQ(::pread(file.get(), bytes.data(), 0, at(2 * page)), 0);
    EXPECT_EQ(::pread(file.get(), bytes.data(), 8, 0), -1);
    EXPECT_EQ(errno, EIO);
    EXPECT_EQ(::pread(file.get(), bytes.data(), 8, static_cast<off_t>(std::uint64_t{1} << 63)), -1);
    EXPECT_EQ(errno, EINVAL);
}

TEST_F(Kernel, MemCountsWholePagesOnlyBeforeALocalHole) {  // 5.2
    const os::Fd file = mem();
    const ssize_t got = ::pread(file.get(), near.data() + page - 100, 200, at(0));
    EXPECT_TRUE(got == -1 || got == 100) << got;  // newer kernels may count what they copied
}

TEST_F(Kernel, MemForcesWritesUnlessItIsConfiguredNotTo) {  // 5.3, 5.5
    ASSERT_EQ(child.run(
                  [](const Words& w) -> std::int64_t {
                      return ::mprotect(reinterpret_cast<void*>(w[0]), page, PROT_READ);
                  },
                  far.data()),
              0);
    const os::Fd file = mem();
    const ssize_t got = ::pwrite(file.get(), "x", 1, at(0));
    EXPECT_TRUE(got == 1 || (got == -1 && errno == EIO));
    EXPECT_EQ(::pwrite(file.get(), "x", 1, at(page)), 1);
}

TEST_F(Kernel, MemMovesManyLocalElementsAndOneRemoteRun) {  // 5.7
    const os::Fd file = mem();
    std::array<char, 300> bytes{};
    const std::array list{iovec{bytes.data(), 100}, iovec{bytes.data() + 100, 100}};
    EXPECT_EQ(::preadv(file.get(), list.data(), 2, at(7)), 200);
    EXPECT_EQ(::preadv(file.get(), list.data(), 2, at(2 * page - 150)), 150);
    EXPECT_EQ(::pwritev(file.get(), list.data(), 2, at(2 * page - 150)), 150);
}

TEST_F(Kernel, MemReadsAndWritesNothingOnceItsImageIsGone) {  // 5.11
    char byte = 0;
    const os::Fd of_dead = mem();
    child.kill();
    EXPECT_EQ(::pread(of_dead.get(), &byte, 1, at(0)), 0);
    EXPECT_EQ(::pwrite(of_dead.get(), &byte, 1, at(0)), 0);
    const os::Fd of_zombie = mem();
    if (of_zombie) {  // before 6.16
        EXPECT_EQ(::pread(of_zombie.get(), &byte, 1, at(0)), 0);
    } else {
        EXPECT_EQ(errno, ESRCH);
    }
    child.reap();
    EXPECT_EQ(::pread(of_dead.get(), &byte, 1, at(0)), 0);
    EXPECT_EQ(::pwrite(of_dead.get(), &byte, 1, at(0)), 0);
}

TEST_F(Kernel, MemReadsNothingAfterAnExec) {  // 2.18
    const os::Fd file = mem();
    child.start([](const Words&) -> std::int64_t {
        ::execl("/bin/sleep", "sleep", "60", nullptr);
        return errno;
    });
    char byte = 0;
    EXPECT_TRUE(eventually([&] { return ::pread(file.get(), &byte, 1, at(0)) == 0; }));
    EXPECT_EQ(::pwrite(file.get(), &byte, 1, at(0)), 0);
}

TEST_F(Kernel, MemHasNoMemoryOfAKernelThread) {  // 2.17
    ONECOPY_NEEDS_ROOT();
    const os::Fd file(::open("/proc/2/mem", O_RDONLY | O_CLOEXEC));
    char byte = 0;
    if (file) {
        EXPECT_EQ(::pread(file.get(), &byte, 1, 4096), 0);
    } else {
        EXPECT_TRUE(errno == ESRCH || errno == ENOENT || errno == EACCES) << errno;
    }
}

os::Fd pidfd_of(int pid) { return os::Fd(static_cast<int>(::syscall(pidfd_open_number, pid, 0U))); }

TEST_F(Kernel, APidfdTellsOfTheEndAndNotBefore) {  // 6
    const os::Fd pidfd = pidfd_of(child.pid());
    if (!pidfd) GTEST_SKIP() << "no pidfd_open here";
    pollfd waiting{pidfd.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&waiting, 1, 0), 0);
    child.signal(SIGSTOP);
    EXPECT_EQ(::poll(&waiting, 1, 0), 0);
    child.kill();
    EXPECT_EQ(::poll(&waiting, 1, deadlock_guard_ms), 1);
    EXPECT_EQ(::kill(child.pid(), 0), 0);  // which a zombie does not tell
    child.reap();
    EXPECT_EQ(::poll(&waiting, 1, 0), 1);
}

TEST_F(Kernel, AThreadIsNoProcessForPidfdOpen) {  // 6: ENOENT since 6.9, EINVAL before
    const auto tid = static_cast<int>(child.run([](const Words&) -> std::int64_t {
        static std::atomic<int> number{0};
        pthread_t thread{};
        ::pthread_create(
            &thread, nullptr,
            [](void*) -> void* {
                number = static_cast<int>(::syscall(SYS_gettid));
                for (;;) ::pause();
            },
            nullptr);
        while (number == 0) nap(1);
        return number.load();
    }));
    EXPECT_FALSE(pidfd_of(tid));
    EXPECT_TRUE(errno == ENOENT || errno == EINVAL || errno == ENOSYS) << errno;
    EXPECT_EQ(call(tid, &here, 1, &there, 1), (Answer{8, 0}));  // 2.15: the same memory
}

/// A watch on a process as Target has one; empty where the kernel has none.
os::Fd epoll_of(const os::Fd& pidfd) {
    os::Fd watch(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLIN;
    if (watch && ::epoll_ctl(watch.get(), EPOLL_CTL_ADD, pidfd.get(), &event) != 0)
        watch = os::Fd{};
    return watch;
}

bool is_ready(const os::Fd& watch) {
    epoll_event event{};
    return ::epoll_wait(watch.get(), &event, 1, 0) == 1;
}

TEST_F(Kernel, AnEpollOfAPidfdIsReadyBeforeTheProcessCanBeReaped) {
    // poll(pidfd) may tell some microseconds earlier. What matters is that the number is not free
    // before the epoll has told.
    if (const os::Fd own = pidfd_of(child.pid()); !epoll_of(own))
        GTEST_SKIP() << "no pidfd_open or no epoll here";
    for (int round = 0; round < 50; ++round) {
        Child target;
        const os::Fd pidfd = pidfd_of(target.pid());
        const os::Fd watch = epoll_of(pidfd);
        ASSERT_FALSE(is_ready(watch));
        target.signal(SIGKILL);
        siginfo_t info{};
        while (info.si_pid == 0) {
            ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(target.pid()), &info,
                               WEXITED | WNOWAIT | WNOHANG),
                      0);
        }
        ASSERT_TRUE(is_ready(watch));
        ASSERT_TRUE(is_ready(watch));  // and again: it stays ready
        target.reap();
        ASSERT_TRUE(is_ready(watch));
    }
}

TEST_F(Kernel, AnEpollOfAPidfdIsReadyBeforeAProcessThatNobodyWaitsForIsGone) {
    if (const os::Fd own = pidfd_of(child.pid()); !epoll_of(own))
        GTEST_SKIP() << "no pidfd_open or no epoll here";
    const int late = forked([] {
        ::signal(SIGCHLD, SIG_IGN);  // children are reaped by the kernel, at once
        int too_late = 0;
        for (int round = 0; round < 50; ++round) {
            const Child target;
            const os::Fd pidfd = pidfd_of(target.pid());
            const os::Fd watch = epoll_of(pidfd);
            target.signal(SIGKILL);
            while (::kill(target.pid(), 0) == 0) {
            }
            too_late += is_ready(watch) ? 0 : 1;
        }
        return too_late;
    });
    EXPECT_EQ(late, 0);
}

TEST_F(Kernel, WritesByNumberHitAStrangerWhichIsWhyWeDoNot) {  // 2.21
    ONECOPY_NEEDS_ROOT();
    const os::Fd file = mem();
    const os::Fd pidfd = pidfd_of(child.pid());
    const int number = child.pid();
    child.reap();
    Child stranger(number);
    char byte = 99;
    iovec one{&byte, 1};
    iovec target{far.data(), 1};
    EXPECT_EQ(::pwrite(file.get(), &byte, 1, at(0)), 0);
    EXPECT_EQ(::process_vm_writev(number, &one, 1, &target, 1, 0), 1);
    const Job look = [](const Words& w) -> std::int64_t {
        return *reinterpret_cast<unsigned char*>(w[0]);
    };
    EXPECT_EQ(stranger.run(look, far.data()), 99);
    if (pidfd) {
        pollfd waiting{pidfd.get(), POLLIN, 0};
        EXPECT_EQ(::poll(&waiting, 1, 0), 1);
    }
}

}  // namespace
}  // namespace onecopy::test
