// Collective calls by C that move bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "collective_forms.hpp"

namespace onecopy::test {
namespace {

constexpr auto all_ranks = std::size_t{collective_ranks};

/// How many elements a rank's part has where they differ; rank 1 has none of the small ones.
std::size_t part_of(int rank, std::size_t count) {
    return rank == 1 ? count / 7 : count + static_cast<std::size_t>(rank);
}

/// Parts in the order of their ranks, or in the opposite one with a gap of one element between
/// them.
struct PartList {
    template <class CountOf>
    PartList(bool reversed, const CountOf& count_of) : by_offsets(reversed) {
        for (std::size_t i = 0; i < all_ranks; ++i) {
            const std::size_t rank = reversed ? all_ranks - 1 - i : i;
            counts[rank] = count_of(static_cast<int>(rank));
            bytes[rank] = counts[rank] * element_bytes;
            firsts[rank] = all;
            offsets[rank] = all * element_bytes;
            all += counts[rank] + (reversed ? 1 : 0);
        }
    }
    [[nodiscard]] const std::size_t* places() const {
        return by_offsets ? offsets.data() : nullptr;
    }
    void put(int rank, const Elements& part, Elements& to) const {
        std::copy(part.begin(), part.end(),
                  to.begin() + static_cast<std::ptrdiff_t>(firsts[static_cast<std::size_t>(rank)]));
    }

    bool by_offsets;
    std::array<std::size_t, all_ranks> counts{}, bytes{}, firsts{}, offsets{};
    std::size_t all = 0;
};

TEST(CCollectives, BarrierIsDoneWhenAllHaveBegunIt) {
    EXPECT_C_RANKS(collective_ranks, [](const CRank& own) {
        onecopy_request* request = nullptr;
        char word = 'w';
        if (own.rank == 2) {
            // It cannot be over before this rank begins it, which waits for that to be seen.
            EXPECT_EQ(onecopy_recv(own.world, &word, 1, 0, 0, nullptr), 0);
        }
        EXPECT_EQ(onecopy_ibarrier(own.world, &request), 0);
        if (own.rank == 0) {
            for (int i = 0; i < 100; ++i) EXPECT_EQ(onecopy_test(&request, nullptr), 0);
            EXPECT_EQ(onecopy_send(own.world, &word, 1, 2, 0), 0);
        }
        EXPECT_EQ(onecopy_wait(&request, nullptr), 0);
        EXPECT_EQ(request, nullptr);
        EXPECT_EQ(onecopy_barrier(own.world), 0);
    });
}

TEST(CCollectives, BcastGivesEverybodyWhatTheRootHas) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        for (int root = 0; root < collective_ranks; ++root) {
            Elements memory = own.rank == root ? elements_of(root, count) : zeros(count);
            EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, bcast, own.world, memory.data(),
                                          count * element_bytes, root),
                      0);
            EXPECT_EQ(memory, elements_of(root, count));
        }
    });
}

TEST(CCollectives, GatherGivesTheRootEverybodysInOrder) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        Elements expected;
        for (int rank = 0; rank < collective_ranks; ++rank) expected += elements_of(rank, count);
        for (int root = 0; root < collective_ranks; ++root) {
            for (const bool in_place : {false, true}) {
                const bool here = own.rank == root;
                const Elements from = elements_of(own.rank, count);
                Elements to = zeros(here ? 3 * count : 0);
                const auto first = static_cast<std::size_t>(own.rank) * count;
                const bool stays = here && in_place;
                if (stays) std::copy(from.begin(), from.end(), to.data() + first);
                EXPECT_EQ(ONECOPY_EITHER_FORM(
                              blocks, gather, own.world, stays ? to.data() + first : from.data(),
                              here ? to.data() : nullptr, count * element_bytes, root),
                          0);
                EXPECT_EQ(to, here ? expected : zeros(0));
            }
        }
    });
}

TEST(CCollectives, GathervPutsThePartsWhereTheRootWantsThem) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        for (const bool reversed : {false, true}) {
            const PartList parts(reversed, [&](int rank) { return part_of(rank, count); });
            Elements expected = zeros(parts.all);
            for (int rank = 0; rank < collective_ranks; ++rank) {
                parts.put(rank, elements_of(rank, part_of(rank, count)), expected);
            }
            for (int root = 0; root < collective_ranks; ++root) {
                const bool here = own.rank == root;
                const Elements from = elements_of(own.rank, part_of(own.rank, count));
                Elements to = zeros(here ? parts.all : 0);
                EXPECT_EQ(ONECOPY_EITHER_FORM(
                              blocks, gatherv, own.world, from.data(), from.size() * element_bytes,
                              here ? to.data() : nullptr, here ? parts.bytes.data() : nullptr,
                              here ? parts.places() : nullptr, root),
                          0);
                EXPECT_EQ(to, here ? expected : zeros(0));
            }
        }
    });
}

TEST(CCollectives, ScatterGivesEachRankItsPartOfTheRoots) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        for (int root = 0; root < collective_ranks; ++root) {
            const bool here = own.rank == root;
            for (const bool in_place : {false, true}) {
                Elements from = elements_of(root, here ? 3 * count : 0), to = zeros(count);
                const std::size_t first = static_cast<std::size_t>(own.rank) * count;
                const bool stays = here && in_place;
                EXPECT_EQ(ONECOPY_EITHER_FORM(
                              blocks, scatter, own.world, here ? from.data() : nullptr,
                              stays ? from.data() + first : to.data(), count * element_bytes, root),
                          0);
                EXPECT_EQ(to, stays ? zeros(count) : elements_of(root, count, first));
                EXPECT_EQ(from, elements_of(root, here ? 3 * count : 0));
            }
        }
    });
}

TEST(CCollectives, ScattervTakesThePartsFromWhereTheRootHasThem) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        for (const bool reversed : {false, true}) {
            const PartList parts(reversed, [&](int rank) { return part_of(rank, count); });
            for (int root = 0; root < collective_ranks; ++root) {
                const bool here = own.rank == root;
                const Elements from = elements_of(root, here ? parts.all : 0);
                const auto mine = static_cast<std::size_t>(own.rank);
                Elements to = zeros(parts.counts[mine]);
                EXPECT_EQ(ONECOPY_EITHER_FORM(
                              blocks, scatterv, own.world, here ? from.data() : nullptr,
                              here ? parts.bytes.data() : nullptr, here ? parts.places() : nullptr,
                              to.data(), parts.bytes[mine], root),
                          0);
                EXPECT_EQ(to, elements_of(root, parts.counts[mine], parts.firsts[mine]));
            }
        }
    });
}

TEST(CCollectives, AllgatherGivesAllEverybodysInOrder) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        Elements expected;
        for (int rank = 0; rank < collective_ranks; ++rank) expected += elements_of(rank, count);
        for (const bool in_place : {false, true}) {
            const Elements from = elements_of(own.rank, count);
            Elements to = zeros(3 * count);
            const auto first = static_cast<std::size_t>(own.rank) * count;
            if (in_place) std::copy(from.begin(), from.end(), to.data() + first);
            EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, allgather, own.world,
                                          in_place ? to.data() + first : from.data(), to.data(),
                                          count * element_bytes),
                      0);
            EXPECT_EQ(to, expected);
        }
    });
}

TEST(CCollectives, AllgathervPutsThePartsWhereEachRankWantsThem) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        for (const bool reversed : {false, true}) {
            // Rank 1 wants them the other way round.
            const PartList parts(reversed != (own.rank == 1),
                                 [&](int rank) { return part_of(rank, count); });
            Elements expected = zeros(parts.all), to = zeros(parts.all);
            for (int rank = 0; rank < collective_ranks; ++rank) {
                parts.put(rank, elements_of(rank, part_of(rank, count)), expected);
            }
            const Elements from = elements_of(own.rank, part_of(own.rank, count));
            EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, allgatherv, own.world, from.data(), to.data(),
                                          parts.bytes.data(), parts.places()),
                      0);
            EXPECT_EQ(to, expected);
        }
    });
}

TEST(CCollectives, AlltoallTurnsRowsIntoColumns) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        Elements expected;
        for (int rank = 0; rank < collective_ranks; ++rank) {
            expected += elements_of(rank, count, static_cast<std::size_t>(own.rank) * count);
        }
        for (const bool in_place : {false, true}) {
            const Elements from = elements_of(own.rank, 3 * count);
            Elements to = in_place ? from : zeros(3 * count);
            EXPECT_EQ(
                ONECOPY_EITHER_FORM(blocks, alltoall, own.world, in_place ? to.data() : from.data(),
                                    to.data(), count * element_bytes),
                0);
            EXPECT_EQ(to, expected);
        }
    });
}

TEST(CCollectives, AlltoallvPutsEachPartWhereItsReceiverWantsIt) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        // From i to j: as many as no other pair has.
        const auto between = [&](int from, int to) {
            return part_of(from, count) + 2 * static_cast<std::size_t>(to);
        };
        for (const bool reversed : {false, true}) {
            const auto out_of = [&](int rank) {
                return PartList(reversed, [&, rank](int to) { return between(rank, to); });
            };
            const PartList out = out_of(own.rank);
            const PartList in(!reversed, [&](int from) { return between(from, own.rank); });
            const Elements from = elements_of(own.rank, out.all);
            Elements to = zeros(in.all), expected = zeros(in.all);
            for (int rank = 0; rank < collective_ranks; ++rank) {
                const PartList theirs = out_of(rank);
                const auto mine = static_cast<std::size_t>(own.rank);
                in.put(rank, elements_of(rank, theirs.counts[mine], theirs.firsts[mine]), expected);
            }
            EXPECT_EQ(
                ONECOPY_EITHER_FORM(blocks, alltoallv, own.world, from.data(), out.bytes.data(),
                                    out.places(), to.data(), in.bytes.data(), in.places()),
                0);
            EXPECT_EQ(to, expected);
        }
    });
}

TEST(CCollectives, AlltoallvInPlaceExchangesWhatItSends) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        // Ranks i and j give each other as many: i + j times, and a few.
        std::array<std::size_t, collective_ranks> bytes{};
        Elements memory, expected;
        for (int other = 0; other < collective_ranks; ++other) {
            const std::size_t part = count * static_cast<std::size_t>(own.rank + other) + 2;
            bytes[static_cast<std::size_t>(other)] = part * element_bytes;
            memory += Elements(part, 10 * own.rank + other);
            expected += Elements(part, 10 * other + own.rank);
        }
        EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, alltoallv, own.world, memory.data(), bytes.data(),
                                      nullptr, memory.data(), bytes.data(), nullptr),
                  0);
        EXPECT_EQ(memory, expected);
    });
}

}  // namespace
}  // namespace onecopy::test
