#include "cli/bench_cooperative.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "cli/bench_pattern.hpp"

namespace onecopy::cli {
namespace {

using Chunk = CooperativeMessage::Chunk;

std::uint64_t address(const std::byte* at) { return reinterpret_cast<std::uintptr_t>(at); }

std::byte* pointer(std::uint64_t at) {
    return reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(at));
}

void copy(const Chunk& chunk) {
    std::memcpy(pointer(chunk.to), pointer(chunk.from), static_cast<std::size_t>(chunk.bytes));
}

TEST(CooperativeMessage, AloneTheAnnouncerCopiesItAllChunkByChunk) {
    CooperativeMessage message;
    std::vector<Chunk> chunks;
    message.announce({1000, 5000, 10, 4});
    EXPECT_TRUE(message.take_part(1, [&](const Chunk& chunk) { chunks.push_back(chunk); }));
    ASSERT_EQ(chunks.size(), 3U);
    EXPECT_EQ(chunks[0].from, 1000U);
    EXPECT_EQ(chunks[0].to, 5000U);
    EXPECT_EQ(chunks[1].from, 1004U);
    EXPECT_EQ(chunks[2].to, 5008U);
    EXPECT_EQ(chunks[2].bytes, 2U);
}

TEST(CooperativeMessage, AHelperIsToldToComeBackAsLongAsNothingIsAnnounced) {
    CooperativeMessage message;
    EXPECT_FALSE(message.take_part(1, copy));
}

TEST(CooperativeMessage, ItIsNotOverWhileTheOtherSideHasAChunk) {
    CooperativeMessage message;
    message.announce({0, 0, 2, 1});
    bool over_too_early = true;
    // What a slow side sees from inside its only chunk, after the quick one has done the other.
    EXPECT_TRUE(message.take_part(1, [&, inside = false](const Chunk&) mutable {
        if (inside) return;
        inside = true;
        over_too_early = message.take_part(1, [](const Chunk&) {});
    }));
    EXPECT_FALSE(over_too_early);
}

TEST(CooperativeMessage, AHelperThatIsLateByAMessageTakesNothingOfTheNextOne) {
    CooperativeMessage message;
    message.announce({0, 0, 100, 10});
    EXPECT_TRUE(message.take_part(1, [](const Chunk&) {}));
    message.announce({0, 0, 100, 10});
    int late = 0;
    message.take_part(1, [&](const Chunk&) { ++late; });
    EXPECT_EQ(late, 0);
    int own = 0;
    EXPECT_TRUE(message.take_part(2, [&](const Chunk&) { ++own; }));
    EXPECT_EQ(own, 10);
    EXPECT_TRUE(message.take_part(1, [](const Chunk&) {}));  // long over, as it must learn
}

TEST(CooperativeMessage, ManyMessagesOfManySizesArriveWholeFromTwoSides) {
    constexpr std::size_t most = 300'000;
    constexpr std::uint32_t messages = 20000;
    CooperativeMessage message;
    std::vector<std::byte> source(most);
    std::vector<std::byte> target(most);
    std::atomic<std::uint64_t> copied{0};
    const auto part = [&](std::uint32_t number) {
        while (!message.take_part(number, [&](const Chunk& chunk) {
            copy(chunk);
            copied.fetch_add(chunk.bytes);
        })) {
            ::sched_yield();
        }
    };
    std::thread helper([&] {
        for (std::uint32_t number = 1; number <= messages; ++number) part(number);
    });
    std::minstd_rand random(7);
    std::uint64_t wrong = 0;
    for (std::uint32_t number = 1; number <= messages; ++number) {
        const std::size_t bytes = 1 + random() % (number % 100 == 0 ? most : 5000);
        const std::span<std::byte> whole = std::span(source).first(bytes);
        fill_bytes(whole, number);
        copied = 0;
        message.announce(
            {address(source.data()), address(target.data()), bytes, 1 + random() % 2000});
        part(number);
        wrong += holds_bytes(std::span(target).first(bytes), number) ? 0 : 1;
        wrong += copied == bytes ? 0 : 1;  // no chunk twice
    }
    helper.join();
    EXPECT_EQ(wrong, 0U);
}

TEST(CooperativeMessage, ChunksAreWholePagesAndNeverLargerThanAHelperMayHold) {
    for (std::uint64_t bytes = 1; bytes <= std::uint64_t{1} << 30; bytes = bytes * 3 + 1) {
        const std::uint64_t chunk = cooperative_chunk_bytes(bytes);
        EXPECT_EQ(chunk % 4096, 0U);
        EXPECT_GE(chunk, 32U << 10);
        EXPECT_LE(chunk, 256U << 10);
    }
}

}  // namespace
}  // namespace onecopy::cli
