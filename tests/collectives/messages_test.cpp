// Calls that go by messages: of parts, and of elements that no frame holds. They need no board, and
// whether a call is one of them all ranks must know alike, whatever is wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory_resource>
#include <numeric>
#include <vector>

#include "helpers.hpp"
#include "onecopy/communicator.hpp"
#include "ranks.hpp"

namespace onecopy {
namespace {

using test::bytes_of;
using test::meet;

/// Sums of elements of `*context` bytes.
void add(const void* left, const void* right, void* result, std::size_t count, void* context) {
    const std::size_t words = count * *static_cast<const std::size_t*>(context) / 8;
    for (std::size_t i = 0; i < words; ++i) {
        static_cast<std::uint64_t*>(result)[i] = static_cast<const std::uint64_t*>(left)[i] +
                                                 static_cast<const std::uint64_t*>(right)[i];
    }
}

TEST(CollectiveMessages, GoOnAfterAFailureThatNotAllHaveSeen) {
    EXPECT_RANKS(3, [](Node& node) {
        Communicator& world = node.world();
        std::vector<std::byte> memory(100);
        std::error_code error;
        // The root looks at nobody, and does not see that 1 asks for more than it gives.
        world.bcast(bytes_of(memory).first(node.rank() == 1 ? 12 : 10), 0, error);
        EXPECT_EQ(node.rank() == 1, error == Errc::mismatch);
        const std::vector<std::size_t> parts{4, 4, 4};
        std::vector<std::int32_t> from(1, node.rank() + 7), to(3);
        world.allgatherv(bytes_of(from), bytes_of(to), Parts{parts}, error);
        EXPECT_FALSE(error) << error.message();
        EXPECT_EQ(to, (std::vector<std::int32_t>{7, 8, 9}));
        meet(node.world());
    });
}

TEST(CollectiveMessages, OfHugeElementsTellOfWhatOneRankGotWrong) {
    for (const std::size_t each : {std::size_t{4104}, std::size_t{8192}, std::size_t{400'000}}) {
        EXPECT_RANKS(3, [each](Node& node) {
            std::size_t context = each;
            const Function sum{add, each, &context};
            std::vector<std::byte> from(each), to(each);
            std::error_code error;
            node.world().allreduce(bytes_of(from), bytes_of(to).first(node.rank() == 2 ? 8 : each),
                                   Reduction(sum), error);
            if (node.rank() == 2) {
                EXPECT_EQ(error, std::errc::invalid_argument) << error.message();
            } else {
                EXPECT_EQ(error, Errc::mismatch) << error.message();
            }
            meet(node.world());
        });
    }
}

TEST(CollectiveMessages, OfHugeElementsTellOfDifferentCounts) {
    EXPECT_RANKS(2, [](Node& node) {
        std::size_t each = 4104;
        const Function sum{add, each, &each};
        std::vector<std::byte> from(2 * each), to(2 * each);
        const std::size_t bytes = node.rank() == 0 ? each : 2 * each;
        std::error_code error;
        node.world().allreduce(bytes_of(from).first(bytes), bytes_of(to).first(bytes),
                               Reduction(sum), error);
        EXPECT_EQ(error, Errc::mismatch) << error.message();
        meet(node.world());
    });
}

/// A frame has room for an element of so many ranks up to a certain number of ranks, only.
/// (Each pair needs rings, and in 32 bits there is room for fewer.)
TEST(CollectiveMessages, CarryLargeElementsAmongManyRanks) {
    constexpr std::size_t ranks = sizeof(void*) < 8 ? 30 : 100;
    EXPECT_RANKS(static_cast<int>(ranks), [](Node& node) {
        std::size_t each = 3200;
        const Function sum{add, each, &each};
        std::vector<std::uint64_t> from(each / 8 * ranks), to(each / 8);
        for (std::size_t i = 0; i < from.size(); ++i) {
            from[i] = i + static_cast<std::size_t>(node.rank());
        }
        node.world().reduce_scatter_block(bytes_of(from), bytes_of(to), Reduction(sum));
        for (std::size_t i = 0; i < to.size(); ++i) {
            const std::size_t own = i + static_cast<std::size_t>(node.rank()) * to.size();
            ASSERT_EQ(to[i], ranks * own + (ranks - 1) * ranks / 2);
        }
    });
}

/// A tile is whole elements; calls of other elements may have been at work between two of its
/// steps.
TEST(CollectiveMessages, AndFramesTakeElementsOfDifferentSizesInTurn) {
    EXPECT_RANKS(3, [](Node& node) {
        Communicator& world = node.world();
        std::vector<Request> requests;
        std::vector<std::size_t> sizes{8, 24, 4096, 40, 12'000, 1000};
        std::vector<std::vector<std::uint64_t>> from, to;
        for (const std::size_t size : sizes) {
            from.emplace_back(size / 8 * 50, static_cast<std::uint64_t>(node.rank()) + size);
            to.emplace_back(from.back().size());
        }
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            requests.push_back(world.iallreduce(bytes_of(from[i]), bytes_of(to[i]),
                                                Reduction(Function{add, sizes[i], &sizes[i]})));
        }
        wait_all(requests);
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            for (const std::uint64_t sum : to[i]) ASSERT_EQ(sum, 3 * sizes[i] + 3) << sizes[i];
        }
    });
}

/// A schedule cuts between elements, so one of as many bytes is another one for other elements.
TEST(CollectiveMessages, AndSchedulesKeepElementsOfOneLengthApartFromAnothers) {
    EXPECT_RANKS(3, [](Node& node) {
        constexpr std::size_t bytes = 30'000;
        for (const bool arena : {false, true}) {
            auto* const memory = arena ? &node.arena() : std::pmr::new_delete_resource();
            std::pmr::vector<std::uint64_t> from(bytes / 8, memory), to(bytes / 8, memory);
            std::fill(from.begin(), from.end(), static_cast<std::uint64_t>(node.rank()));
            for (std::size_t each : {8, 24, 40, 600, 24, 8}) {
                std::fill(to.begin(), to.end(), 77);
                node.world().allreduce(bytes_of(from), bytes_of(to),
                                       Reduction(Function{add, each, &each}));
                for (const std::uint64_t sum : to) ASSERT_EQ(sum, 3U) << each;
            }
        }
    });
}

TEST(CollectiveMessages, MayExchangePartsInPlace) {
    for (const std::size_t each : {std::size_t{64}, std::size_t{100'000}}) {
        EXPECT_RANKS(4, [each](Node& node) {
            const int rank = node.rank();
            const std::vector<std::size_t> parts(4, each * sizeof(int));
            for (int round = 0; round < 20; ++round) {
                std::vector<int> all(4 * each);
                for (std::size_t i = 0; i < all.size(); ++i) {
                    all[i] = rank * 10 + static_cast<int>(i / each) + round * 100;
                }
                node.world().alltoallv(bytes_of(all), Parts{parts}, bytes_of(all), Parts{parts});
                for (std::size_t i = 0; i < all.size(); ++i) {
                    ASSERT_EQ(all[i], static_cast<int>(i / each) * 10 + rank + round * 100);
                }
            }
        });
    }
}

/// In place the result lies over operands of its own that are still to be added, at any distance.
TEST(CollectiveMessages, MayReduceUnequalPartsInPlace) {
    EXPECT_RANKS(2, [](Node& node) {
        constexpr std::size_t all_of_them = 50'000;
        for (const Op op : {Op::sum, Op::max}) {
            for (const std::size_t first : {1, 2, 3, 5, 100}) {
                std::vector<std::int32_t> all(all_of_them);
                std::iota(all.begin(), all.end(), 0);
                const std::vector<std::int32_t> before = all;
                const std::vector<std::size_t> parts{4 * first, 4 * (all_of_them - first)};
                const std::size_t own = parts[static_cast<std::size_t>(node.rank())];
                node.world().reduce_scatter(bytes_of(all), bytes_of(all).first(own), parts,
                                            {op, Type::int32});
                for (std::size_t i = 0; i < own / 4; ++i) {
                    const std::int32_t x = before[i + (node.rank() == 1 ? first : 0)];
                    ASSERT_EQ(all[i], op == Op::sum ? 2 * x : x) << first << ", " << i;
                }
            }
        }
    });
}

}  // namespace
}  // namespace onecopy
