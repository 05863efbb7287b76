// Targets that do something meanwhile: semantics.md, section 11.
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "contract.hpp"
#include "support/rights.hpp"
#include "support/userfault.hpp"

namespace onecopy::test {
namespace {

TEST_P(EngineContract, AStoppedTargetIsFullyReachable) {
    Rig rig(way(), direction(), {Page::writable}, {Page::writable});
    rig.child.signal(SIGSTOP);
    rig.move({{0, page}}, {{0, page}});
    EXPECT_TRUE(rig.process.alive());
    rig.child.signal(SIGCONT);
    rig.expect(page, 0);
}

TEST_P(EngineContract, ATargetThatUnmapsInTheMiddleGivesAnExactCount) {
    const std::size_t bytes = 16U << 20;
    const Memory far(bytes);
    const Memory near(bytes);
    for (int round = 0; round < 4; ++round) {
        Child child;
        const Process process = open(child);
        // Present before the clock starts: then only the unmapping decides.
        ASSERT_EQ(child.run(
                      [](const Words& w) -> std::int64_t {
                          fill(bytes_in(w, 0), 5);
                          return 0;
                      },
                      far.address(), bytes),
                  0);
        fill(near.span(), 6);
        child.start(
            [](const Words& w) -> std::int64_t {
                nap(static_cast<int>(w[2]));
                const auto second_half = bytes_in(w, 0).subspan(size_in(w, 1) / 2);
                return ::munmap(second_half.data(), second_half.size());
            },
            far.address(), bytes, round);
        Transfer got;
        for (int again = 0; again < 1000 && !got.error; ++again) {
            got = move(process, near.span(), far.address());
        }
        EXPECT_EQ(child.finish(), 0);
        EXPECT_EQ(got.error.value(), EFAULT);
        EXPECT_GE(got.bytes, bytes / 2);
        EXPECT_EQ(got.bytes % page, 0U);
        if (reading()) {
            EXPECT_EQ(first_difference(near.span(0, got.bytes), 5), got.bytes);
        }
    }
}

TEST_P(EngineContract, ManyThreadsMoveThroughOneProcess) {
    const std::size_t each = 64 * page;
    const std::size_t threads = 8;
    const Memory far(threads * each);
    const Memory near(threads * each);
    fill(far.span(), 5);
    fill(near.span(), reading() ? 0 : 5);
    Child child;
    const Process process = open(child);
    std::atomic<int> wrong{0};
    {
        std::vector<std::jthread> crew;
        for (std::size_t i = 0; i < threads; ++i) {
            crew.emplace_back([&, i] {
                for (int round = 0; round < 50; ++round) {
                    const Transfer got =
                        move(process, near.span(i * each, each), far.address(i * each));
                    const bool good = got.bytes == each && !got.error && process.alive() &&
                                      process.same_image() && !process.access();
                    if (!good) ++wrong;
                }
            });
        }
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(first_difference(near.span(), 5), near.bytes());
}

std::atomic<int> alarms{0};

TEST_P(EngineContract, SignalsDoNotDisturbATransfer) {
    const std::size_t bytes = 16U << 20;
    const Memory far(bytes);
    const Memory near(bytes);
    fill(far.span(), 5);
    fill(near.span(), reading() ? 0 : 5);
    Child child;
    const Process process = open(child);
    struct sigaction act {};
    act.sa_handler = [](int) { ++alarms; };
    struct sigaction before {};
    ASSERT_EQ(::sigaction(SIGUSR1, &act, &before), 0);  // no SA_RESTART
    const pthread_t here = ::pthread_self();
    {
        std::jthread pest([here](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                ::pthread_kill(here, SIGUSR1);
                std::this_thread::sleep_for(std::chrono::microseconds(100));
            }
        });
        const int seen = alarms;
        while (alarms - seen < 50) {
            const Transfer got = move(process, near.span(), far.address());
            ASSERT_EQ(got.bytes, bytes);
            ASSERT_FALSE(got.error) << got.error.message();
            ASSERT_TRUE(process.alive());
            ASSERT_FALSE(process.wait_for_death(std::chrono::milliseconds(0)));
        }
    }
    ::sigaction(SIGUSR1, &before, nullptr);
    EXPECT_EQ(first_difference(near.span(), 5), near.bytes());
}

Userfault* fault = nullptr;  // in the child

std::int64_t register_missing(const Words& words) {
    int error = 0;
    fault = new Userfault(reinterpret_cast<void*>(words[0]), size_in(words, 1), error);
    return error;
}

TEST_P(EngineContract, APageUnderUserfaultfdIsWaitedForOrAFault) {
    ONECOPY_NEEDS_ROOT();
    const Memory far(3 * page);
    const Memory near({Page::writable, Page::writable, Page::writable}, 4);
    far.data()[0] = std::byte{1};
    Child child;
    const Process process = open(child);
    if (child.run(register_missing, far.address(page), 2 * page) != 0) {
        GTEST_SKIP() << "no userfaultfd here";
    }
    if (differs(Difference::never_waits_for_a_page)) {
        const Transfer got = move(process, near.span(0, 2 * page), far.address());
        EXPECT_EQ(got.bytes, page);
        EXPECT_EQ(got.error.value(), EFAULT);
        return;
    }
    child.start([](const Words&) -> std::int64_t {
        const std::uint64_t at = fault->next_fault();
        nap(5);  // long enough for every check that a blocked call makes
        return fault->serve(reinterpret_cast<void*>(at), 42);
    });
    const Transfer got = move(process, near.span(0, 2 * page), far.address());
    EXPECT_EQ(child.finish(), 0);
    EXPECT_EQ(got.bytes, 2 * page);
    EXPECT_FALSE(got.error) << got.error.message();
    if (reading()) {
        EXPECT_EQ(near.data()[page], std::byte{42});
        EXPECT_EQ(near.data()[2 * page - 1], std::byte{42});
    }
}

TEST_P(EngineContract, AProcessWhoseFirstThreadHasEndedIsReachedOrRefused) {
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 6);
    Child child;
    const Process process_before = open(child);
    // A second thread goes on; the first one ends without ending the process.
    child.start([](const Words&) -> std::int64_t {
        static pthread_t other;
        ::pthread_create(
            &other, nullptr,
            [](void*) -> void* {
                for (;;) ::pause();
            },
            nullptr);
        ::syscall(SYS_exit, 0);
        return 0;
    });
    const std::string status = "/proc/" + std::to_string(child.pid()) + "/stat";
    ASSERT_TRUE(eventually([&] {
        std::array<char, 256> text{};
        const int file = ::open(status.c_str(), O_RDONLY);
        const ssize_t got = ::read(file, text.data(), text.size() - 1);
        ::close(file);
        return got > 0 && std::string(text.data()).find(") Z ") != std::string::npos;
    }));
    const Process process_after = open(child);
    for (const Process* process : {&process_before, &process_after}) {
        EXPECT_TRUE(process->alive());
        EXPECT_TRUE(process->same_image());
        const Transfer got = move(*process, near.span(0, 100), far.address());
        if (differs(Difference::needs_the_first_thread)) {
            EXPECT_EQ(got.bytes, 0U);
            EXPECT_EQ(got.error.value(), ESRCH);
        } else {
            EXPECT_EQ(got.bytes, 100U);
            EXPECT_FALSE(got.error) << got.error.message();
            EXPECT_FALSE(process->access());
            EXPECT_EQ(near.data()[99], pattern(reading() ? 5 : 6, 99));
        }
    }
}

}  // namespace
}  // namespace onecopy::test
