// Blocks of an arena: handed out, freed, kept, given back.
#include "onecopy/arena.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "arena/space.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

constexpr std::size_t kib = 1024, mib = 1024 * kib;

ArenaOptions of_capacity(std::size_t bytes) { return {.capacity_bytes = bytes}; }

/// Memory of the blocks: a page of the file says whose it is.
std::size_t resident(const Arena& arena) {
    struct stat facts {};
    EXPECT_EQ(::fstat(arena.fd(), &facts), 0);
    return static_cast<std::size_t>(facts.st_blocks) * 512 - page;
}

TEST(Arena, HandsOutMemoryThatStandsInItsFile) {
    Arena arena(of_capacity(64 * mib));
    auto* const block = static_cast<std::byte*>(arena.allocate(100 * kib, 64));
    EXPECT_TRUE(arena.owns(block));
    EXPECT_TRUE(arena.owns(block + 100 * kib - 1));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0U);
    std::memset(block, 0x5a, 100 * kib);
    std::byte seen{};
    const auto at = block - arena.range().data() + 99 * static_cast<long>(kib);
    ASSERT_EQ(::pread(arena.fd(), &seen, 1, at), 1);
    EXPECT_EQ(seen, std::byte{0x5a});
    arena.deallocate(block, 100 * kib, 64);
    int elsewhere = 0;
    EXPECT_FALSE(arena.owns(&elsewhere));
    EXPECT_FALSE(arena.owns(nullptr));
}

TEST(Arena, CostsNothingUntilItIsTouched) {
    Arena arena(of_capacity(sizeof(void*) < 8 ? 512 * mib : std::size_t{4096} * mib));
    EXPECT_EQ(resident(arena), 0U);
    void* const block = arena.allocate(256 * mib, 64);
    EXPECT_EQ(resident(arena), 0U);
    static_cast<char*>(block)[128 * mib] = 1;
    EXPECT_EQ(resident(arena), page);
    EXPECT_EQ(arena.usage().resident, page);
    EXPECT_EQ(arena.usage().handed_out, 256 * mib);
    arena.deallocate(block, 256 * mib, 64);
    EXPECT_EQ(arena.usage().handed_out, 0U);
}

TEST(Arena, ServesAnyAlignment) {
    Arena arena(of_capacity(256 * mib));
    for (std::size_t alignment = 1; alignment <= 64 * mib; alignment *= 2) {
        for (const std::size_t bytes : {std::size_t{1}, std::size_t{100}, 40 * kib, 3 * mib}) {
            void* const block = arena.allocate(bytes, alignment);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignment, 0U) << alignment;
            std::memset(block, 1, bytes);
            arena.deallocate(block, bytes, alignment);
        }
    }
}

TEST(Arena, BeyondItsCapacityIsBadAlloc) {
    Arena arena(of_capacity(8 * mib));
    EXPECT_THROW((void)arena.allocate(9 * mib, 64), std::bad_alloc);
    const volatile std::size_t absurd = SIZE_MAX - 100;  // or the compiler objects
    EXPECT_THROW((void)arena.allocate(absurd, 64), std::bad_alloc);
    const volatile std::size_t coarse = std::size_t{1} << (8 * sizeof(std::size_t) - 2);
    EXPECT_THROW((void)arena.allocate(1, coarse), std::bad_alloc);
    void* const most = arena.allocate(8 * mib, 64);
    EXPECT_THROW((void)arena.allocate(64 * kib, 64), std::bad_alloc);
    EXPECT_THROW((void)arena.allocate(16, 8), std::bad_alloc);
    arena.deallocate(most, 8 * mib, 64);
    arena.deallocate(arena.allocate(8 * mib, 64), 8 * mib, 64);
}

TEST(Arena, KeepsFreedMemoryForAWhile) {
    Arena arena(
        {.capacity_bytes = 64 * mib, .kept_bytes = 8 * mib, .kept_for = std::chrono::hours(1)});
    void* const block = arena.allocate(4 * mib, 64);
    std::memset(block, 1, 4 * mib);
    arena.deallocate(block, 4 * mib, 64);
    EXPECT_EQ(resident(arena), 4 * mib);
    EXPECT_EQ(arena.usage().kept, 4 * mib);
    EXPECT_EQ(arena.allocate(4 * mib, 64), block);  // the warm one
    EXPECT_EQ(arena.usage().kept, 0U);
    void* const other = arena.allocate(16 * mib, 64);
    std::memset(other, 1, 16 * mib);
    arena.deallocate(block, 4 * mib, 64);
    arena.deallocate(other, 16 * mib, 64);
    EXPECT_LE(arena.usage().kept, 8 * mib);
    EXPECT_LE(resident(arena), 8 * mib);
    const std::size_t kept = arena.usage().kept;
    EXPECT_EQ(arena.trim(), kept);
    EXPECT_EQ(resident(arena), 0U);
}

TEST(Arena, GivesBackWhatWasLeftAlone) {
    Arena arena({.capacity_bytes = 64 * mib,
                 .kept_bytes = 64 * mib,
                 .kept_for = std::chrono::milliseconds(20)});
    void* const block = arena.allocate(4 * mib, 64);
    std::memset(block, 1, 4 * mib);
    arena.deallocate(block, 4 * mib, 64);
    EXPECT_TRUE(eventually([&] {
        arena.deallocate(arena.allocate(64 * kib, 64), 64 * kib, 64);
        return resident(arena) == 0 || arena.usage().kept <= 64 * kib;
    }));
}

TEST(Arena, GivesZerosToWhoAsksForThem) {
    Arena arena(of_capacity(64 * mib));
    arena::Space& space = arena.space();
    void* const block = space.allocate(1 * mib, 64);
    std::memset(block, 0xff, 1 * mib);
    space.free(block, 1 * mib);
    auto* const again = static_cast<char*>(space.allocate(1 * mib, 64, true));
    EXPECT_EQ(again, block);
    EXPECT_EQ(std::count(again, again + mib, 0), static_cast<long>(mib));
}

TEST(Arena, BlocksGrowAndShrinkWhereTheyStand) {
    Arena arena(of_capacity(64 * mib));
    arena::Space& space = arena.space();
    auto* const block = static_cast<char*>(space.allocate(1 * mib, 64));
    std::memset(block, 7, 1 * mib);
    ASSERT_TRUE(space.resize(block, 1 * mib, 3 * mib));
    std::memset(block + mib, 8, 2 * mib);
    EXPECT_EQ(space.usage().handed_out, 3 * mib);
    ASSERT_TRUE(space.resize(block, 3 * mib, 64 * kib));
    EXPECT_EQ(space.usage().handed_out, 64 * kib);
    EXPECT_EQ(block[64 * kib - 1], 7);
    void* const behind = space.allocate(64 * kib, 64);
    EXPECT_EQ(behind, block + 64 * kib);
    EXPECT_FALSE(space.resize(block, 64 * kib, 128 * kib));
}

TEST(Arena, ManyThreadsShareIt) {
    Arena arena({.capacity_bytes = 512 * mib, .kept_bytes = 16 * mib});
    std::vector<std::jthread> threads;
    std::atomic<int> wrong{0};
    for (unsigned id = 0; id < 4; ++id) {
        threads.emplace_back([&, id] {
            std::mt19937 dice(id);
            struct Block {
                char* at;
                std::size_t bytes;
                char mark;
            };
            std::vector<Block> blocks;
            for (int step = 0; step < 3000; ++step) {
                if (blocks.size() > 20 || (!blocks.empty() && dice() % 2 == 0)) {
                    const std::size_t index = dice() % blocks.size();
                    const Block block = blocks[index];
                    // The first and the last bytes are its own still.
                    wrong += block.at[0] != block.mark || block.at[block.bytes - 1] != block.mark;
                    arena.deallocate(block.at, block.bytes, 16);
                    blocks.erase(blocks.begin() + static_cast<long>(index));
                } else {
                    const std::size_t bytes = std::size_t{1} << (dice() % 21);
                    const Block block{static_cast<char*>(arena.allocate(bytes, 16)), bytes,
                                      static_cast<char>(dice())};
                    block.at[0] = block.at[bytes - 1] = block.mark;
                    blocks.push_back(block);
                }
            }
            for (const Block& block : blocks) arena.deallocate(block.at, block.bytes, 16);
        });
    }
    threads.clear();
    EXPECT_EQ(wrong, 0);
}

TEST(Arena, IsAStandardAllocatorAndAMemoryResource) {
    Arena arena(of_capacity(64 * mib));
    std::vector<double, ArenaAllocator<double>> numbers(100000, 1.5, ArenaAllocator<double>(arena));
    EXPECT_TRUE(arena.owns(numbers.data()));
    numbers.resize(500000, 2.5);
    EXPECT_TRUE(arena.owns(numbers.data()));
    std::pmr::vector<std::pmr::string> words(&arena);
    for (int i = 0; i < 1000; ++i)
        words.emplace_back("a string that is too long to stand within itself");
    EXPECT_TRUE(arena.owns(words.back().data()));
}

TEST(Arena, NobodyCanShrinkItsFile) {
    Arena arena(of_capacity(1 * mib));
    EXPECT_NE(::ftruncate(arena.fd(), 0), 0);
    EXPECT_NE(::ftruncate(arena.fd(), 2 * static_cast<off_t>(mib)), 0);
}

TEST(Arena, SaysWhichLimitForbidsIt) {
    const int found = forked([] {
        rlimit limit{};
        limit.rlim_cur = limit.rlim_max = 16 * mib;
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return -1;
        try {
            const Arena too_large(of_capacity(64 * mib));
        } catch (const std::system_error& error) {
            const Arena fits;  // takes what the limit leaves
            return error.code() == std::errc::file_too_large && fits.usage().capacity <= 16 * mib
                       ? 1
                       : 2;
        }
        return 3;
    });
    EXPECT_EQ(found, 1);
}

TEST(Arena, WithLittleAddressSpaceItIsSmaller) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer needs more address space than this leaves";
#endif
    const int found = forked([] {
        rlimit limit{};
        limit.rlim_cur = limit.rlim_max = 512 * mib;
        if (::setrlimit(RLIMIT_AS, &limit) != 0) return -1;
        Arena arena;
        void* const block = arena.allocate(1 * mib, 64);
        std::memset(block, 1, 1 * mib);
        try {
            const Arena too_large(of_capacity(SIZE_MAX / 2));
        } catch (const std::system_error& error) {
            return error.code() == std::errc::not_enough_memory &&
                           arena.usage().capacity <= 128 * mib
                       ? 1
                       : 2;
        }
        return 3;
    });
    EXPECT_EQ(found, 1);
}

TEST(Arena, HugePagesGoBackAsAWhole) {
    Arena arena({.capacity_bytes = 64 * mib, .kept_for = std::chrono::hours(1)});
    auto* const block = static_cast<std::byte*>(arena.allocate(4 * mib, 2 * mib));
    fill({block, 4 * mib}, 1);
    if (const std::error_code error = arena.use_huge_pages({block, 4 * mib})) {
        GTEST_SKIP() << "no huge pages: " << error.message();
    }
    EXPECT_EQ(first_difference({block, 4 * mib}, 1), 4 * mib);
    // Two blocks in the place of one: the second half of it starts inside of a huge page.
    arena.deallocate(block, 4 * mib, 2 * mib);
    void* const low = arena.allocate(3 * mib, 2 * mib);
    void* const high = arena.allocate(mib, 4096);
    ASSERT_EQ(low, block);
    ASSERT_EQ(high, block + 3 * mib);
    arena.deallocate(low, 3 * mib, 2 * mib);
    EXPECT_EQ(arena.trim(), 2 * mib);
    EXPECT_EQ(resident(arena), 2 * mib);
    EXPECT_EQ(arena.usage().kept, mib);  // beside the one in use
    arena.deallocate(high, mib, 4096);
    EXPECT_EQ(arena.trim(), 2 * mib);
    EXPECT_EQ(resident(arena), 0U);
}

TEST(Arena, DiscardedPagesAreZerosAndNothingElseIs) {
    for (const bool huge : {false, true}) {
        Arena arena(of_capacity(64 * mib));
        auto* const block = static_cast<std::byte*>(arena.allocate(4 * mib, 2 * mib));
        fill({block, 4 * mib}, 1);
        if (huge && arena.use_huge_pages({block, 4 * mib})) GTEST_SKIP() << "no huge pages";
        // All of one huge page and a little of the other, which nobody may write just now.
        ASSERT_EQ(::mprotect(block, 4 * mib, PROT_READ), 0);
        EXPECT_EQ(arena.space().discard(block, 2 * mib + 3 * page), 0);
        // In part, a huge page keeps its memory.
        EXPECT_EQ(resident(arena), huge ? 2 * mib : 2 * mib - 3 * page);
        for (std::size_t i = 0; i < 4 * mib; ++i) {
            const std::byte expected = i < 2 * mib + 3 * page ? std::byte{0} : pattern(1, i);
            ASSERT_EQ(block[i], expected) << i;
        }
    }
}

TEST(Arena, PagesAreDiscardedWhereTheKernelMindsTheirProtection) {
    const auto right = test::forked([] {
        Arena arena(of_capacity(16 * mib));
        auto* const block = static_cast<std::byte*>(arena.allocate(mib));
        fill({block, mib}, 1);
        // As before Linux 6.7, where the program may not write.
        const std::array refusals = {test::Refusal{SYS_madvise, EACCES}};
        if (test::refuse(refusals) != 0) return false;
        if (arena.space().discard(block + page, 2 * page) != 0) return false;
        return resident(arena) == mib - 2 * page && block[0] == pattern(1, 0) &&
               block[page] == std::byte{0} && block[3 * page] == pattern(1, 3 * page);
    });
    EXPECT_TRUE(right);
}

TEST(Arena, HugePagesOfUntouchedMemoryAreZeros) {
    Arena arena(of_capacity(64 * mib));
    auto* const block = static_cast<std::byte*>(arena.allocate(2 * mib, 2 * mib));
    if (arena.use_huge_pages({block, 2 * mib})) GTEST_SKIP() << "no huge pages";
    EXPECT_EQ(resident(arena), 2 * mib);
    for (std::size_t i = 0; i < 2 * mib; i += 64) EXPECT_EQ(block[i], std::byte{0});
}

}  // namespace
}  // namespace onecopy::test
