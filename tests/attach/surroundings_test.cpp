// Handles in odd surroundings: another pid namespace, a filter that came later, a read-only /proc,
// threads that are cancelled or have little stack.
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "attach/target.hpp"
#include "contract.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

struct Answer {
    std::uint64_t bytes;
    int error;
    friend bool operator==(const Answer&, const Answer&) = default;
};
Answer answer(const Transfer& moved) { return {moved.bytes, moved.error.value()}; }

TEST(Surroundings, ANumberMeansNothingInAnotherPidNamespace) {
    ONECOPY_NEEDS_ROOT();
    // The same small numbers exist in both namespaces, for different processes.
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 6);
    const int wrong = forked([&] {
        if (::unshare(CLONE_NEWPID) != 0) return 1;
        // The first child of the new namespace is number 1 there; handles on 1 and on ourselves
        // were made out here.
        const Process init(1, {false, true});
        const Process self = Process::self();
        return forked([&] {
            fill(far.span(), 9);  // what a number 1 that is ourselves would give away, or lose
            int found = 0;
            for (const Process* process : {&init, &self}) {
                const Transfer got = read(*process, far.address(), near.span(0, 8));
                found += got.bytes == 0 && got.error.value() == ESRCH ? 0 : 2;
                const Transfer put = write(*process, near.span(0, 8), far.address());
                found += put.bytes == 0 && put.error ? 0 : 4;
                found += process->alive() ? 8 : 0;
            }
            return found + (first_difference(far.span(), 9) == far.bytes() ? 0 : 16);
        });
    });
    EXPECT_EQ(wrong, 0);
}

TEST(Surroundings, AForkedChildUsesTheHandlesOfItsParent) {
    const Memory far({Page::writable}, 5);
    Child target;
    const Process process(target.pid());
    const int wrong = forked([&] {
        std::array<std::byte, 8> bytes{};
        int found = 0;
        for (int i = 0; i < 100; ++i) {
            found |= read(process, far.address(), bytes).bytes == 8 ? 0 : 1;
        }
        found |= write(process, far.span(0, 8), far.address()).bytes == 8 ? 0 : 2;
        return found | (process.alive() && process.same_image() ? 0 : 4);
    });
    EXPECT_EQ(wrong, 0);
}

TEST(Surroundings, WhatCannotBeAskedIsNotAlive) {
    const Memory far({Page::writable}, 5);
    Child target;
    const Process process(target.pid());
    const int wrong = forked([&] {
        std::array<std::byte, 8> bytes{};
        if (read(process, far.address(), bytes).bytes != 8) return 1;
        const std::array none{Refusal{SYS_epoll_wait, EPERM}, Refusal{SYS_epoll_pwait, EPERM}};
        if (refuse(none) != 0) return 0;
        // Without epoll the pidfd is polled.
        if (read(process, far.address(), bytes).bytes != 8) return 2;
        if (process.death_fd() < 0) return 0;  // there is no pidfd: /proc/PID/stat is read
        const std::array neither{Refusal{SYS_poll, EPERM}, Refusal{SYS_ppoll, EPERM}};
        if (refuse(neither) != 0) return 0;
        return answer(read(process, far.address(), bytes)) == Answer{0, ESRCH} ? 0 : 4;
    });
    EXPECT_EQ(wrong, 0);
}

TEST(Surroundings, WithAReadOnlyProcReadsWorkAndWritesAreRefused) {
    ONECOPY_NEEDS_ROOT();
    const Memory far({Page::writable}, 5);
    Child target;
    const int wrong = forked([&] {
        if (::unshare(CLONE_NEWNS) != 0) return 0;
        if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 1;
        if (::mount(nullptr, "/proc", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
            return 0;  // not permitted here
        }
        const Process process(target.pid(), {true, false});
        const attach::Engine* const mem = &attach::proc_mem_engine();
        std::array<std::byte, 8> bytes{};
        const Segment local(bytes);
        const RemoteSegment remote{far.address(), 8};
        int found = 0;
        found += read(process, far.address(), bytes).bytes == 8 ? 0 : 1;
        const Transfer by_mem = attach::read(process.target(), std::span(&remote, 1),
                                             std::span(&local, 1), std::span(&mem, 1));
        found += by_mem.bytes == 8 ? 0 : 2;
        found += process.same_image() && !process.access() ? 0 : 4;
        found += answer(write(process, bytes, far.address())) == Answer{0, EPERM} ? 0 : 8;
        return found;
    });
    EXPECT_EQ(wrong, 0);
}

/// What a thread does until it is cancelled.
struct Work {
    const Process* process;
    std::uint64_t address;
    bool writes;
};

void* work_until_cancelled(void* context) {
    const Work& work = *static_cast<const Work*>(context);
    std::array<std::byte, 64> bytes{};
    for (;;) {
        if (work.writes) {
            (void)write(*work.process, bytes, work.address);
        } else {
            const Process again(work.process->pid());
            (void)read(again, work.address, bytes);
        }
        ::pthread_testcancel();
    }
}

TEST(Surroundings, AThreadCanBeCancelled) {
    const Memory far({Page::writable}, 5);
    Child target;
    const Process process(target.pid());
    for (const bool writes : {false, true}) {
        for (int round = 0; round < 20; ++round) {
            Work work{&process, far.address(), writes};
            pthread_t thread{};
            ASSERT_EQ(::pthread_create(&thread, nullptr, work_until_cancelled, &work), 0);
            nap(1);
            ::pthread_cancel(thread);
            void* how = nullptr;
            ::pthread_join(thread, &how);
            EXPECT_EQ(how, PTHREAD_CANCELED);
        }
    }
}

TEST(Surroundings, AThirtyTwoKilobyteStackIsEnough) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
    GTEST_SKIP() << "frames of such builds are larger";
#endif
    const Memory far({Page::writable, Page::writable}, 5);
    const Memory near({Page::writable, Page::writable}, 6);
    Child target;
    const Process other(target.pid());
    const Process self = Process::self();
    struct Job {
        const Process *other, *self;
        const Memory *far, *near;
        std::uint64_t moved;
    } job{&other, &self, &far, &near, 0};
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ASSERT_EQ(::pthread_attr_setstacksize(&attributes, 32 << 10), 0);
    pthread_t thread{};
    const auto body = [](void* context) -> void* {
        Job& mine = *static_cast<Job*>(context);
        const std::array local{mine.near->span(0, 64), mine.near->span(128, 64)};
        const std::array<ConstSegment, 2> source{local[0], local[1]};
        const std::array remote{RemoteSegment{mine.far->address(), 64},
                                RemoteSegment{mine.far->address(100), 64}};
        for (const Process* process : {mine.other, mine.self}) {
            mine.moved += read(*process, remote[0].address, local[0]).bytes;
            mine.moved += read(*process, remote, local).bytes;
            mine.moved += write(*process, source, remote).bytes;
        }
        return nullptr;
    };
    ASSERT_EQ(::pthread_create(&thread, &attributes, body, &job), 0);
    ::pthread_join(thread, nullptr);
    ::pthread_attr_destroy(&attributes);
    EXPECT_EQ(job.moved, 2 * (64U + 128U + 128U));
}

}  // namespace
}  // namespace onecopy::test
