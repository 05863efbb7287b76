#include "cli/bench_ranks.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "cli/bench_pattern.hpp"
#include "cli/bench_timing.hpp"
#include "cli/errors.hpp"
#include "support/child.hpp"

namespace onecopy::cli {

static void PrintTo(Waiting waiting, std::ostream* out) {  // part of a test's name
    *out << (waiting == Waiting::spin ? "spin" : waiting == Waiting::yield ? "yield" : "sleep");
}

namespace {

/// A T in memory that ranks share.
template <class T>
class Shared {
public:
    Shared() : memory_(sizeof(T), Memory::Kind::is_shared), value_(new (memory_.data()) T) {}
    T* operator->() const { return value_; }
    T& operator*() const { return *value_; }

private:
    Memory memory_;
    T* value_;
};

std::string failure_of(int ranks, const std::function<void(int)>& body) {
    try {
        run_ranks("bench test", ranks, {}, body);
    } catch (const Failure& failure) {
        return failure.what();
    }
    return "no failure";
}

TEST(BenchRanks, EachRankRunsOnceInAProcessOfItsOwnAndOnItsCore) {
    struct Seen {
        std::array<std::atomic<pid_t>, 4> pids{};
        std::array<std::atomic<int>, 4> cpus{};
    };
    const Shared<Seen> seen;
    const std::vector<int> cpus = usable_cpus();
    ASSERT_FALSE(cpus.empty());
    run_ranks("bench test", 4, cpus, [&](int rank) {
        seen->pids[static_cast<std::size_t>(rank)] = ::getpid();
        cpu_set_t set;
        ::sched_getaffinity(0, sizeof set, &set);
        seen->cpus[static_cast<std::size_t>(rank)] = CPU_COUNT(&set) == 1 ? ::sched_getcpu() : -1;
    });
    for (std::size_t rank = 0; rank < 4; ++rank) {
        EXPECT_NE(seen->pids[rank].load(), 0);
        EXPECT_NE(seen->pids[rank].load(), ::getpid());
        EXPECT_EQ(seen->cpus[rank].load(), cpus[rank % cpus.size()]);
        for (std::size_t other = 0; other < rank; ++other) {
            EXPECT_NE(seen->pids[rank].load(), seen->pids[other].load());
        }
    }
}

TEST(BenchRanks, WhatOneRankThrowsIsToldAndTheOthersAreGone) {
    const Shared<std::atomic<pid_t>> sleeper;
    const std::string line = failure_of(3, [&](int rank) {
        if (rank == 2) {
            while (sleeper->load() == 0) ::sched_yield();
            throw std::runtime_error("the third has had enough");
        }
        if (rank == 0) *sleeper = ::getpid();
        for (;;) ::pause();
    });
    EXPECT_EQ(line, "bench test: the third has had enough");
    EXPECT_EQ(::kill(sleeper->load(), 0), -1);
    EXPECT_EQ(errno, ESRCH);
}

TEST(BenchRanks, ARankThatIsKilledEndsTheWaitWithItsSignal) {
    const std::string line = failure_of(2, [](int rank) {
        if (rank == 1) ::raise(SIGKILL);
        for (;;) ::pause();
    });
    EXPECT_NE(line.find("process 1 was killed by signal 9"), std::string::npos) << line;
}

TEST(BenchRanks, RanksDieWithTheirLauncher) {
    const Shared<std::atomic<pid_t>> rank_pid;
    const pid_t launcher = ::fork();
    if (launcher == 0) {
        run_ranks("bench test", 1, {}, [&](int) {
            *rank_pid = ::getpid();
            for (;;) ::pause();
        });
        ::_exit(0);
    }
    EXPECT_TRUE(test::eventually([&] { return rank_pid->load() != 0; }));
    ::kill(launcher, SIGKILL);
    ::waitpid(launcher, nullptr, 0);
    // Whoever inherits the orphan may reap it late: a zombie is dead enough.
    EXPECT_TRUE(test::eventually([&] {
        if (::kill(rank_pid->load(), 0) != 0) return true;
        char state = 0;
        const std::string path = "/proc/" + std::to_string(rank_pid->load()) + "/stat";
        if (std::FILE* file = std::fopen(path.c_str(), "r")) {
            if (std::fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 0;
            std::fclose(file);
        }
        return state == 'Z' || state == 'X' || state == 0;
    }));
}

class BenchBarrier : public testing::TestWithParam<Waiting> {
protected:
    // Ranks that spin need a core each, or every round takes time slices.
    const int ranks_ = GetParam() == Waiting::spin ? 2 : 3;
    const int rounds_ = GetParam() == Waiting::spin ? 40 : 300;
};

TEST_P(BenchBarrier, NobodyPassesBeforeAllHaveArrived) {
    struct Board {
        Barrier barrier;
        std::atomic<int> arrived{0};
        std::atomic<int> early{0};
    };
    const Shared<Board> board;
    run_ranks("bench test", ranks_, {}, [&](int) {
        const auto ranks = static_cast<std::uint32_t>(ranks_);
        for (int round = 1; round <= rounds_; ++round) {
            ++board->arrived;
            board->barrier.wait(ranks, GetParam());
            if (board->arrived.load() < round * ranks_) ++board->early;
            board->barrier.wait(ranks, GetParam());
        }
    });
    EXPECT_EQ(board->early.load(), 0);
    EXPECT_EQ(board->arrived.load(), ranks_ * rounds_);
}

TEST_P(BenchBarrier, WhoOnlyArrivesLetsTheOthersPass) {
    struct Board {
        Barrier meet;
        Barrier close;
        std::atomic<int> passed{0};
    };
    const Shared<Board> board;
    run_ranks("bench test", ranks_, {}, [&](int rank) {
        const auto ranks = static_cast<std::uint32_t>(ranks_);
        for (int round = 0; round < rounds_; ++round) {
            if (rank == 0) {
                board->meet.arrive(ranks, GetParam());
            } else {
                board->meet.wait(ranks, GetParam());
                ++board->passed;
            }
            board->close.wait(ranks, GetParam());
        }
    });
    EXPECT_EQ(board->passed.load(), (ranks_ - 1) * rounds_);
}

INSTANTIATE_TEST_SUITE_P(Ways, BenchBarrier,
                         testing::Values(Waiting::spin, Waiting::yield, Waiting::sleep));

TEST(BenchPattern, NoFlippedBytePassesWhereverItIs) {
    for (const std::size_t bytes : {1U, 7U, 8U, 9U, 24U, 61U}) {
        std::vector<std::byte> message(bytes);
        fill_bytes(message, 5);
        EXPECT_TRUE(holds_bytes(message, 5));
        EXPECT_FALSE(holds_bytes(message, 6));
        for (std::byte& byte : message) {
            byte ^= std::byte{0x10};
            EXPECT_FALSE(holds_bytes(message, 5)) << &byte - message.data() << " of " << bytes;
            byte ^= std::byte{0x10};
        }
    }
}

TEST(BenchPattern, AMessageThatIsShiftedByAWordIsWrong) {
    std::vector<std::byte> message(72);
    fill_bytes(message, 1);
    EXPECT_FALSE(holds_bytes(std::span(message).subspan(8), 1));
}

TEST(BenchPattern, OnlyTheSumOfBothOperandsPasses) {
    std::vector<double> sum(9);
    for (std::size_t i = 0; i < sum.size(); ++i) {
        sum[i] = pattern_double(3, i) + pattern_double(~std::uint64_t{3}, i);
    }
    const auto bytes = std::as_bytes(std::span(sum));
    EXPECT_TRUE(holds_sum(bytes, 3, ~std::uint64_t{3}));
    EXPECT_FALSE(holds_sum(bytes, 3, 3));
    sum[8] += 1;
    EXPECT_FALSE(holds_sum(bytes, 3, ~std::uint64_t{3}));
}

}  // namespace
}  // namespace onecopy::cli
