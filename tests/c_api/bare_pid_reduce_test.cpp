// The flags of the RFC on a bare pid.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

#include "onecopy/onecopy.h"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

constexpr unsigned long sum_of_doubles = ONECOPY_SUM | ONECOPY_FLOAT64;

/// Doubles on both sides: pages of them, the last page of each side a hole.
class BarePidReduce : public testing::Test {
protected:
    BarePidReduce() {
        std::iota(far(), far() + count(), 1000.0);
        child_.emplace();
        std::iota(far(), far() + count(), 0.0);  // here they differ: only the child's may be seen
        std::iota(near(), near() + count(), 0.5);
    }

    static std::size_t count() { return 2 * page / sizeof(double); }
    double* near() const { return reinterpret_cast<double*>(local_.data()); }
    double* far() const { return reinterpret_cast<double*>(remote_.data()); }
    pid_t pid() const { return child_->pid(); }

    /// Element `index` in the child.
    double there(std::size_t index) {
        double value = 0;
        child_->run(
            [](const Words& w) -> std::int64_t {
                *reinterpret_cast<double*>(w[0]) = *reinterpret_cast<double*>(w[1]);
                return 0;
            },
            shared_.data(), far() + index);
        std::memcpy(&value, shared_.data(), sizeof value);
        return value;
    }

    ssize_t readv(const void* l, std::size_t lb, const void* r, std::size_t rb,
                  unsigned long flags) {
        const iovec local{const_cast<void*>(l), lb}, remote{const_cast<void*>(r), rb};
        return onecopy_readv(pid(), &local, 1, &remote, 1, flags);
    }
    ssize_t writev(const void* l, std::size_t lb, const void* r, std::size_t rb,
                   unsigned long flags) {
        const iovec local{const_cast<void*>(l), lb}, remote{const_cast<void*>(r), rb};
        return onecopy_writev(pid(), &local, 1, &remote, 1, flags);
    }

private:
    Memory shared_{page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1};
    Memory local_{{Page::writable, Page::writable, Page::hole}, 0};
    Memory remote_{{Page::writable, Page::writable, Page::hole}, 0};
    std::optional<Child> child_;
};

TEST_F(BarePidReduce, ReadvAddsTheRemoteElementsToTheLocalOnes) {
    const auto bytes = static_cast<ssize_t>(2 * page);
    EXPECT_EQ(readv(near(), 2 * page, far(), 2 * page, sum_of_doubles), bytes);
    for (std::size_t i = 0; i < count(); ++i) {
        ASSERT_EQ(near()[i], 1000.5 + 2.0 * static_cast<double>(i)) << i;
    }
}

TEST_F(BarePidReduce, WritevAddsTheLocalElementsToTheRemoteOnes) {
    const auto bytes = static_cast<ssize_t>(2 * page);
    EXPECT_EQ(writev(near(), 2 * page, far(), 2 * page, sum_of_doubles), bytes);
    EXPECT_EQ(there(0), 1000.5);
    EXPECT_EQ(there(count() - 1), 1000.5 + 2.0 * static_cast<double>(count() - 1));
    EXPECT_EQ(near()[0], 0.5);
}

TEST_F(BarePidReduce, SourceLeftTurnsTheOperandsRound) {
    // With a NaN the right operand wins, so the order shows.
    near()[0] = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(readv(near(), 8, far(), 8, ONECOPY_MAX | ONECOPY_FLOAT64), 8);
    EXPECT_EQ(near()[0], 1000.0);
    near()[0] = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(readv(near(), 8, far(), 8, ONECOPY_MAX | ONECOPY_FLOAT64 | ONECOPY_SOURCE_LEFT), 8);
    EXPECT_NE(near()[0], near()[0]);
}

TEST_F(BarePidReduce, RefusesUnknownBitsAndPairsOutsideTheTable) {
    for (const unsigned long flags :
         {1UL << 17, 1UL << 31, ~0UL, sum_of_doubles | 1UL << 20,
          static_cast<unsigned long>(ONECOPY_SUM),      // an operation without a type
          static_cast<unsigned long>(ONECOPY_FLOAT64),  // a type without an operation
          static_cast<unsigned long>(ONECOPY_BAND) | ONECOPY_FLOAT64,
          static_cast<unsigned long>(ONECOPY_SUM) | ONECOPY_BOOLEAN,
          static_cast<unsigned long>(ONECOPY_SUM) | (25UL << ONECOPY_TYPE_SHIFT),
          15UL | ONECOPY_FLOAT64, ONECOPY_SOURCE_LEFT}) {
        errno = 0;
        EXPECT_EQ(readv(near(), 8, far(), 8, flags), -1) << flags;
        EXPECT_EQ(errno, EINVAL) << flags;
        errno = 0;
        EXPECT_EQ(writev(near(), 8, far(), 8, flags), -1) << flags;
        EXPECT_EQ(errno, EINVAL) << flags;
    }
    EXPECT_EQ(near()[0], 0.5);
    EXPECT_EQ(there(0), 1000.0);
}

TEST_F(BarePidReduce, FlagsAreTheFirstThingChecked) {
    errno = 0;
    EXPECT_EQ(onecopy_readv(-1, nullptr, 1, nullptr, 1, 1UL << 17), -1);
    EXPECT_EQ(errno, EINVAL);
}

TEST_F(BarePidReduce, ChecksListsInTheKernelsOrderWithTheKernelsErrnos) {
    const iovec good{near(), 8};
    const auto error = [](ssize_t result) { return result < 0 ? errno : 0; };
    EXPECT_EQ(error(onecopy_readv(-1, nullptr, 1, &good, 1, sum_of_doubles)), EFAULT);
    EXPECT_EQ(error(onecopy_readv(-1, &good, 1, nullptr, 1, sum_of_doubles)), EFAULT);
    EXPECT_EQ(error(onecopy_readv(-1, &good, 1025, &good, 1, sum_of_doubles)), EINVAL);
    EXPECT_EQ(error(onecopy_readv(-1, &good, 1, &good, 1, sum_of_doubles)), ESRCH);
    EXPECT_EQ(onecopy_readv(-1, &good, 0, nullptr, 1025, sum_of_doubles), 0);
    // A list that ends in a hole is an errno too, not a signal.
    EXPECT_EQ(error(onecopy_readv(pid(), reinterpret_cast<const iovec*>(near() + count()), 1, &good,
                                  1, sum_of_doubles)),
              EFAULT);
}

TEST_F(BarePidReduce, RefusesAnElementThatASegmentsEndCuts) {
    EXPECT_EQ(readv(near(), 12, far(), 16, sum_of_doubles), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(readv(near(), 16, far(), 12, sum_of_doubles), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(near()[0], 0.5);
}

TEST_F(BarePidReduce, CountsWholeElementsBeforeAHoleOnEitherSide) {
    char* const odd = reinterpret_cast<char*>(far() + count()) - 20;  // two and a half elements
    EXPECT_EQ(readv(near(), 32, odd, 32, sum_of_doubles), 16);
    char* const near_end = reinterpret_cast<char*>(near() + count()) - 20;
    EXPECT_EQ(readv(near_end, 32, far(), 32, sum_of_doubles), 16);
    EXPECT_EQ(writev(near_end, 32, far(), 32, sum_of_doubles), 16);
    EXPECT_EQ(writev(near(), 32, odd, 32, sum_of_doubles), 16);
}

TEST_F(BarePidReduce, AnswersEfaultForABadLocalAddressInsteadOfASignal) {
    EXPECT_EQ(readv(near() + count(), 8, far(), 8, sum_of_doubles), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(writev(near() + count(), 8, far(), 8, sum_of_doubles), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(readv(near(), 8, far() + count(), 8, sum_of_doubles), -1);
    EXPECT_EQ(errno, EFAULT);
}

TEST_F(BarePidReduce, RefusesReadOnlyLocalMemoryForReadvAndTakesItForWritev) {
    const Memory fixed({Page::read_only, Page::hole}, 0);
    EXPECT_EQ(readv(fixed.data(), 8, far(), 8, sum_of_doubles), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(writev(fixed.data(), 8, far(), 8, ONECOPY_REPLACE | ONECOPY_FLOAT64), 8);
}

TEST_F(BarePidReduce, TakesSeveralElementsOnEitherSide) {
    const std::array<iovec, 3> local{{{near(), 16}, {near() + 5, 0}, {near() + 10, 24}}};
    const std::array<iovec, 2> remote{{{far(), 8}, {far() + 100, 32}}};
    EXPECT_EQ(onecopy_readv(pid(), local.data(), 3, remote.data(), 2, sum_of_doubles), 40);
    EXPECT_EQ(near()[0], 0.5 + 1000);
    EXPECT_EQ(near()[1], 1.5 + 1100);
    EXPECT_EQ(near()[12], 12.5 + 1103);
    EXPECT_EQ(near()[5], 5.5);
}

TEST_F(BarePidReduce, ReachesAThreadsProcessByTheThreadsNumberAsTheSystemCallDoes) {
    Child child;
    const auto tid = static_cast<pid_t>(child.run([](const Words&) -> std::int64_t {
        static std::atomic<pid_t> number{0};
        std::thread([] {
            number = ::gettid();
            for (;;) ::pause();
        }).detach();
        while (number == 0) ::sched_yield();
        return number;
    }));
    static double value = 2;
    double mine = 1;
    const iovec local{&mine, 8}, remote{&value, 8};
    EXPECT_EQ(onecopy_readv(tid, &local, 1, &remote, 1, sum_of_doubles), 8);
    EXPECT_EQ(mine, 3);
}

TEST_F(BarePidReduce, RefusesAnotherUsersProcess) {
    ONECOPY_NEEDS_ROOT();
    const int error = forked([this] {
        become(user());
        return readv(near(), 8, far(), 8, sum_of_doubles) < 0 ? errno : 0;
    });
    EXPECT_EQ(error, EPERM);
}

TEST_F(BarePidReduce, WorksWithinTheCallingProcess) {
    const iovec local{near(), 8}, remote{near() + 1, 8};
    EXPECT_EQ(onecopy_readv(::getpid(), &local, 1, &remote, 1, sum_of_doubles), 8);
    EXPECT_EQ(near()[0], 0.5 + 1.5);
    EXPECT_EQ(onecopy_writev(::getpid(), &local, 1, &remote, 1, sum_of_doubles), 8);
    EXPECT_EQ(near()[1], 0.5 + 1.5 + 1.5);
}

TEST(BarePidMemory, IsTouchedOnlyWhereBytesArrive) {
    // The local list may be as long as it likes; memory for it would be memory taken for nothing.
    constexpr std::size_t large = 256U << 20;
    static double there[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const Child child;
    const Memory local(large);
    const auto resident_pages = [&] {
        std::vector<unsigned char> pages(large / page);
        EXPECT_EQ(::mincore(local.data(), large, pages.data()), 0);
        return std::count_if(pages.begin(), pages.end(), [](unsigned char c) { return c & 1; });
    };
    const iovec near{local.data(), large};
    const iovec far{there, sizeof there};
    EXPECT_EQ(onecopy_readv(child.pid(), &near, 1, &far, 1, sum_of_doubles),
              static_cast<ssize_t>(sizeof there));
    EXPECT_LE(resident_pages(), 1);
    const iovec nowhere{nullptr, large};
    EXPECT_EQ(onecopy_readv(child.pid(), &near, 1, &nowhere, 1, sum_of_doubles), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_LE(resident_pages(), static_cast<long>((1U << 20) / page));
}

TEST_F(BarePidReduce, GoesThroughListsOfManyPieces) {
    // More runs than one piece holds, apart from each other and cut differently on the two sides:
    // three doubles of each four here, five of each six there.
    std::vector<iovec> local, remote;
    const std::size_t doubles = count() / 20 * 15;
    const auto here = [](std::size_t i) { return i / 3 * 4 + i % 3; };
    const auto there = [](std::size_t i) { return i / 5 * 6 + i % 5; };
    for (std::size_t i = 0; i < doubles; i += 3) local.push_back({near() + here(i), 24});
    for (std::size_t i = 0; i < doubles; i += 5) remote.push_back({far() + there(i), 40});
    EXPECT_EQ(onecopy_readv(pid(), local.data(), local.size(), remote.data(), remote.size(),
                            sum_of_doubles),
              static_cast<ssize_t>(doubles * sizeof(double)));
    for (std::size_t i = 0; i < doubles; ++i) {
        ASSERT_EQ(near()[here(i)], 1000.5 + double(here(i)) + double(there(i))) << i;
    }
    for (std::size_t i = 3; i < count(); i += 4) ASSERT_EQ(near()[i], 0.5 + double(i)) << i;
}

}  // namespace
}  // namespace onecopy::test
