// Blocks for collective calls (src/node/communicator_blocks.hpp), by hand and by many processes.
#include "node/communicator_blocks.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <new>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace onecopy::node {
namespace {

using Length = CommunicatorBlocks::Length;

std::uint32_t taken(const JobMemory& memory) { return memory.head().taken_boards.load(); }

TEST(CommunicatorBlocks, TheLastMemberGivesAllBack) {
    const JobMemory memory = JobMemory::create(2);
    std::optional<CommunicatorBlocks> one, other;
    one.emplace(memory, 7, 2);
    other.emplace(memory, 7, 2);
    std::set<std::uint32_t> blocks, frames;
    for (int i = 0; i < 3; ++i) {
        blocks.insert(one->take(Length::block)->first);
        blocks.insert(other->take(Length::block)->first);
        frames.insert(other->take(Length::frames)->first);
    }
    EXPECT_EQ(blocks.size(), 6U);
    EXPECT_EQ(frames.size(), 3U);
    const std::uint32_t all = taken(memory);
    EXPECT_EQ(all, 6 + 3 * blocks_of_frames);

    other.reset();
    CommunicatorBlocks next(memory, 8, 1);
    EXPECT_FALSE(next.take(Length::block)->used) << "one of the members is still there";
    one.reset();
    for (int i = 0; i < 6; ++i) {
        const auto run = next.take(Length::block);
        EXPECT_TRUE(run->used);
        EXPECT_EQ(blocks.erase(run->first), 1U);
    }
    for (int i = 0; i < 3; ++i) EXPECT_EQ(frames.erase(next.take(Length::frames)->first), 1U);
    EXPECT_FALSE(next.take(Length::block)->used);
    EXPECT_FALSE(next.take(Length::frames)->used);
}

TEST(CommunicatorBlocks, MembersFindOneTableWhichIsZeroedIfItWasUsed) {
    const JobMemory memory = JobMemory::create(2);
    const auto never = [](std::uint32_t /*block*/) { ADD_FAILURE() << "it is zero already"; };
    std::optional<std::uint32_t> first;
    {
        CommunicatorBlocks one(memory, 1, 2), other(memory, 1, 2);
        first = one.table(never);
        ASSERT_TRUE(first);
        EXPECT_EQ(other.table(never), first);
    }
    CommunicatorBlocks next(memory, 2, 1);
    int cleared = 0;
    EXPECT_EQ(next.table([&](std::uint32_t block) {
        EXPECT_EQ(block, *first);
        ++cleared;
    }),
              first);
    EXPECT_EQ(next.table(never), first);
    EXPECT_EQ(cleared, 1);
}

TEST(CommunicatorBlocks, WhoIsSecondWithATableGivesItsBlockBack) {
    const JobMemory memory = JobMemory::create(2);
    {
        CommunicatorBlocks before(memory, 1, 1);
        EXPECT_TRUE(before.take(Length::block) && before.take(Length::block));
    }
    CommunicatorBlocks one(memory, 2, 2), other(memory, 2, 2);
    std::optional<std::uint32_t> theirs, lost;
    const auto ours = one.table([&](std::uint32_t block) {
        lost = block;
        theirs = other.table([](std::uint32_t /*block*/) {});
    });
    ASSERT_TRUE(theirs && lost);
    EXPECT_EQ(ours, theirs);
    EXPECT_NE(lost, theirs);
    EXPECT_EQ(one.take(Length::block)->first, lost);
}

/// There is none; but if there were, it would be told that there is no memory.
TEST(CommunicatorBlocks, WhoComesAfterTheLastMemberFindsNoTable) {
    const JobMemory memory = JobMemory::create(2);
    const auto never = [](std::uint32_t /*block*/) {};
    {
        CommunicatorBlocks one(memory, 1, 1);
        EXPECT_TRUE(one.table(never));
    }
    CommunicatorBlocks late(memory, 1, 2);
    EXPECT_FALSE(late.table(never));
}

TEST(CommunicatorBlocks, WhatIsUsedUpComesBack) {
    const JobMemory memory = JobMemory::create(2);
    std::uint32_t before = 0;
    for (std::uint32_t number = 0; number < 3; ++number) {
        CommunicatorBlocks one(memory, number, 1);
        std::uint32_t count = 0;
        while (one.take(Length::block)) ++count;
        EXPECT_TRUE(number == 0 || count == before);
        before = count;
        EXPECT_EQ(taken(memory), memory.head().boards);
        EXPECT_FALSE(one.take(Length::frames));
    }
    EXPECT_EQ(before, memory.head().boards);
}

TEST(CommunicatorBlocks, ThereAreRecordsForMillionsAndThenAnError) {
    const JobMemory memory = JobMemory::create(2);
    CommunicatorBlocks last(memory, memory.head().collective_records - 1, 1);
    EXPECT_TRUE(last.take(Length::block));
    CommunicatorBlocks beyond(memory, memory.head().collective_records, 1);
    EXPECT_FALSE(beyond.take(Length::block));
    EXPECT_FALSE(beyond.table([](std::uint32_t /*block*/) {}));
}

/// Of each block, who has it: set and cleared by its owner.
struct Owners {
    std::atomic<std::uint32_t> wrong, done;
    std::array<std::atomic<pid_t>, 16384> by_block;
};

/// Takes and gives back, alone and with others, until told to stop.
void take_and_give_back(const JobMemory& memory, Owners& owners, unsigned seed) {
    const std::uint32_t first_block = memory.head().blocks - memory.head().boards;
    const pid_t me = ::getpid();
    std::minstd_rand random(seed);
    std::vector<std::uint32_t> ours;
    const auto own = [&](std::uint32_t block, std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            if (owners.by_block[block - first_block + i].exchange(me) != 0) ++owners.wrong;
            ours.push_back(block - first_block + i);
        }
    };
    while (owners.done.load() == 0) {
        const std::uint32_t number = memory.head().taken_contexts.fetch_add(1);
        CommunicatorBlocks one(memory, number, 1);
        if (const auto table = one.table([](std::uint32_t /*block*/) {})) own(*table, 1);
        for (unsigned count = random() % 4; count > 0; --count) {
            if (const auto run = one.take(Length::block)) own(run->first, 1);
        }
        if (random() % 4 == 0) {
            if (const auto run = one.take(Length::frames)) own(run->first, blocks_of_frames);
        }
        for (const std::uint32_t block : ours) {
            if (owners.by_block[block].exchange(0) != me) ++owners.wrong;
        }
        ours.clear();
    }
}

TEST(CommunicatorBlocks, NobodyGetsWhatAnotherHasThoughSomeAreKilled) {
    const JobMemory memory = JobMemory::create(3);
    void* const shared =
        ::mmap(nullptr, sizeof(Owners), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(shared, MAP_FAILED);
    auto& owners = *new (shared) Owners;
    ASSERT_LE(memory.head().boards, owners.by_block.size());
    std::mt19937 random(3);
    std::vector<pid_t> children(4, -1);
    const auto start = [&](pid_t& child) {
        const auto seed = static_cast<unsigned>(random());
        child = ::fork();
        if (child != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const JobMemory own = JobMemory::adopt(os::Fd(::fcntl(memory.fd(), F_DUPFD_CLOEXEC, 3)));
        take_and_give_back(own, owners, seed);
        ::_exit(0);
    };
    for (pid_t& child : children) start(child);
    for (int kills = 0; kills < 60; ++kills) {
        std::this_thread::sleep_for(std::chrono::microseconds(2000 + random() % 6000));
        pid_t& victim = children[random() % children.size()];
        ::kill(victim, SIGKILL);
        ::waitpid(victim, nullptr, 0);
        start(victim);
    }
    owners.done = 1;
    for (const pid_t child : children) {
        int status = -1;
        ::waitpid(child, &status, 0);
        EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(owners.wrong, 0U);
    EXPECT_GT(memory.head().taken_contexts.load(), 1000U);
    // Of each that was killed what it had, and what it was about to give.
    EXPECT_LE(taken(memory), 64 * (4 + blocks_of_frames));
    ::munmap(shared, sizeof(Owners));
}

}  // namespace
}  // namespace onecopy::node
