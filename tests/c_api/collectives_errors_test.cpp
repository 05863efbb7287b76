// Collective calls by C that cannot be made.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <functional>
#include <vector>

#include "collective_forms.hpp"

namespace onecopy::test {
namespace {

constexpr unsigned long sum = ONECOPY_SUM | ONECOPY_INT32;
constexpr std::size_t four = 4;

void take_left(const void* /*left*/, const void* /*right*/, void* /*result*/, std::size_t /*count*/,
               void* /*context*/) {}

/// Memory for all that is tried here.
struct Memory {
    std::array<int, 12> from{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, to{};
    std::array<std::size_t, collective_ranks> parts{four, four, four};
};

/// All calls of a kind in one form; `mistake` is made by each.
struct Wrong {
    const char* what;
    std::function<int(const CRank&, bool, Memory&)> call;
};
#define ONECOPY_WRONG(name, ...)                                               \
    Wrong {                                                                    \
#name "(" #__VA_ARGS__ ")", [](const CRank& own, bool blocks, Memory& m) {   \
            (void)m;                                                         \
            return ONECOPY_EITHER_FORM(blocks, name, own.world, __VA_ARGS__); \
        } \
    }

/// The communicator is still good for the next one.
void expect_all_well(const CRank& own) {
    int one = 1, all = 0;
    EXPECT_EQ(onecopy_allreduce(own.world, &one, &all, sizeof one, sum), 0);
    EXPECT_EQ(all, collective_ranks);
}

void expect_of_all(int error, const std::vector<Wrong>& calls) {
    EXPECT_C_RANKS(collective_ranks, [&](const CRank& own) {
        for (const bool blocks : {true, false}) {
            for (const Wrong& wrong : calls) {
                SCOPED_TRACE(testing::Message() << (blocks ? "" : "i") << wrong.what);
                Memory memory;
                EXPECT_EQ(wrong.call(own, blocks, memory), error);
                EXPECT_EQ(memory.to, Memory().to);
                expect_all_well(own);
            }
        }
    });
}

TEST(CCollectives, ARootThatIsNoneIsToldToAll) {
    expect_of_all(
        ONECOPY_ERR_BAD_RANK,
        {ONECOPY_WRONG(bcast, m.to.data(), four, 3), ONECOPY_WRONG(bcast, m.to.data(), four, -1),
         ONECOPY_WRONG(gather, m.from.data(), m.to.data(), four, 3),
         ONECOPY_WRONG(gatherv, m.from.data(), four, m.to.data(), m.parts.data(), nullptr, 3),
         ONECOPY_WRONG(scatter, m.from.data(), m.to.data(), four, -1),
         ONECOPY_WRONG(scatterv, m.from.data(), m.parts.data(), nullptr, m.to.data(), four, -1),
         ONECOPY_WRONG(reduce, m.from.data(), m.to.data(), four, sum, 3),
         ONECOPY_WRONG(reduce_by, m.from.data(), m.to.data(), four, take_left, four, nullptr, 3)});
}

TEST(CCollectives, NoMemoryIsInvalidAndEverybodyWhoMakesTheMistakeIsTold) {
    expect_of_all(
        -EINVAL, {ONECOPY_WRONG(bcast, nullptr, four, 0),
                  ONECOPY_WRONG(gather, nullptr, m.to.data(), four, 0),
                  ONECOPY_WRONG(gatherv, nullptr, four, m.to.data(), m.parts.data(), nullptr, 0),
                  ONECOPY_WRONG(scatter, m.from.data(), nullptr, four, 0),
                  ONECOPY_WRONG(scatterv, m.from.data(), m.parts.data(), nullptr, nullptr, four, 0),
                  ONECOPY_WRONG(allgather, nullptr, m.to.data(), four),
                  ONECOPY_WRONG(allgather, m.from.data(), nullptr, four),
                  ONECOPY_WRONG(allgatherv, nullptr, m.to.data(), m.parts.data(), nullptr),
                  ONECOPY_WRONG(allgatherv, m.from.data(), m.to.data(), nullptr, nullptr),
                  ONECOPY_WRONG(alltoall, nullptr, m.to.data(), four),
                  ONECOPY_WRONG(alltoall, m.from.data(), nullptr, four),
                  ONECOPY_WRONG(alltoallv, m.from.data(), nullptr, nullptr, m.to.data(),
                                m.parts.data(), nullptr),
                  ONECOPY_WRONG(alltoallv, m.from.data(), m.parts.data(), nullptr, nullptr,
                                m.parts.data(), nullptr),
                  ONECOPY_WRONG(reduce, nullptr, m.to.data(), four, sum, 0),
                  ONECOPY_WRONG(allreduce, m.from.data(), nullptr, four, sum),
                  ONECOPY_WRONG(reduce_scatter_block, nullptr, m.to.data(), four, sum),
                  ONECOPY_WRONG(reduce_scatter, m.from.data(), m.to.data(), nullptr, sum),
                  ONECOPY_WRONG(reduce_scatter, m.from.data(), nullptr, m.parts.data(), sum),
                  ONECOPY_WRONG(scan, nullptr, m.to.data(), four, sum),
                  ONECOPY_WRONG(exscan, nullptr, m.to.data(), four, sum),
                  ONECOPY_WRONG(exscan, nullptr, nullptr, four, sum)});
}

TEST(CCollectives, SizesAndOperationsThatAreNoneAreInvalid) {
    static constexpr std::size_t endless = SIZE_MAX;
    static const std::array<std::size_t, collective_ranks> beyond{endless, endless, endless};
    static const std::array<std::size_t, collective_ranks> threes{3, 3, 3};
    static const std::array<std::size_t, collective_ranks> far{endless, 0, 0};
    expect_of_all(
        -EINVAL,
        {ONECOPY_WRONG(bcast, m.to.data(), endless, 0),
         ONECOPY_WRONG(allgather, m.from.data(), m.to.data(), endless / 3 + 2),
         ONECOPY_WRONG(alltoall, m.from.data(), m.to.data(), endless / 3 + 2),
         ONECOPY_WRONG(allgatherv, m.from.data(), m.to.data(), beyond.data(), nullptr),
         ONECOPY_WRONG(allgatherv, m.from.data(), m.to.data(), m.parts.data(), far.data()),
         ONECOPY_WRONG(reduce, m.from.data(), m.to.data(), 3, sum, 0),
         ONECOPY_WRONG(allreduce, m.from.data(), m.to.data(), 7, sum),
         ONECOPY_WRONG(allreduce_by, m.from.data(), m.to.data(), 7, take_left, four, nullptr),
         ONECOPY_WRONG(allreduce_by, m.from.data(), m.to.data(), four, nullptr, four, nullptr),
         ONECOPY_WRONG(allreduce_by, m.from.data(), m.to.data(), four, take_left, 0, nullptr),
         ONECOPY_WRONG(reduce_scatter_block, m.from.data(), m.to.data(), 3, sum),
         ONECOPY_WRONG(reduce_scatter, m.from.data(), m.to.data(), threes.data(), sum),
         ONECOPY_WRONG(scan, m.from.data(), m.to.data(), 6, sum),
         ONECOPY_WRONG(allreduce, m.from.data(), m.to.data(), four, 0),
         ONECOPY_WRONG(allreduce, m.from.data(), m.to.data(), four, sum | ONECOPY_SOURCE_LEFT),
         ONECOPY_WRONG(allreduce, m.from.data(), m.to.data(), four, sum | 1UL << 20),
         ONECOPY_WRONG(allreduce, m.from.data(), m.to.data(), four,
                       ONECOPY_BAND | ONECOPY_FLOAT32)});
}

TEST(CCollectives, TheRootsPartMustBeAsLongAsItsList) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        for (const bool blocks : {true, false}) {
            Memory m;
            EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, gatherv, own.world, m.from.data(), 8, m.to.data(),
                                          m.parts.data(), nullptr, 0),
                      -EINVAL);
            EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, scatterv, own.world, m.from.data(),
                                          m.parts.data(), nullptr, m.to.data(), 8, 0),
                      -EINVAL);
        }
    });
}

TEST(CCollectives, AMistakeOfOneRankIsAMismatchForTheOthers) {
    for (const bool blocks : {true, false}) {
        EXPECT_C_RANKS(collective_ranks, [blocks](const CRank& own) {
            Memory m;
            const bool wrong = own.rank == 1;
            EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, allreduce, own.world,
                                          wrong ? nullptr : m.from.data(), m.to.data(), four, sum),
                      wrong ? -EINVAL : ONECOPY_ERR_MISMATCH);
        });
        EXPECT_C_RANKS(collective_ranks, [blocks](const CRank& own) {
            Memory m;
            const bool wrong = own.rank == 1;
            const int error =
                ONECOPY_EITHER_FORM(blocks, gatherv, own.world, wrong ? nullptr : m.from.data(),
                                    four, m.to.data(), m.parts.data(), nullptr, 0);
            EXPECT_EQ(error, wrong ? -EINVAL : own.rank == 0 ? ONECOPY_ERR_MISMATCH : 0);
        });
    }
}

TEST(CCollectives, AHandleThatIsMissingIsInvalidAndNothingIsBegun) {
    EXPECT_C_RANKS(collective_ranks, [](const CRank& own) {
        Memory m;
        onecopy_comm* const none = nullptr;
        onecopy_request* request = nullptr;
        EXPECT_EQ(onecopy_bcast(none, m.to.data(), four, 0), -EINVAL);
        EXPECT_EQ(onecopy_alltoallv(none, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr),
                  -EINVAL);
        EXPECT_EQ(onecopy_allreduce(none, m.from.data(), m.to.data(), four, sum), -EINVAL);
        EXPECT_EQ(onecopy_ibarrier(none, &request), -EINVAL);
        EXPECT_EQ(request, nullptr);
        EXPECT_EQ(onecopy_ibarrier(own.world, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_iscan(own.world, m.from.data(), m.to.data(), four, sum, nullptr),
                  -EINVAL);
        expect_all_well(own);
    });
}

TEST(CCollectives, ARequestIsWaitedForAndFreedAsAnyOther) {
    EXPECT_C_RANKS(collective_ranks, [](const CRank& own) {
        std::array<onecopy_request*, 2> requests{};
        Memory m;
        EXPECT_EQ(
            onecopy_iallreduce(own.world, m.from.data(), m.to.data(), four, sum, requests.data()),
            0);
        EXPECT_EQ(onecopy_cancel(requests[0]), 0);
        // A node with one is not closed.
        onecopy_node* node = own.node;
        EXPECT_EQ(onecopy_node_close(&node), -EBUSY);
        EXPECT_EQ(onecopy_request_free(requests.data()), 0);
        EXPECT_EQ(requests[0], nullptr);
        EXPECT_EQ(m.to[0], 3);
        // Beside a message, which its status tells apart.
        const int right = (own.rank + 1) % collective_ranks;
        const int left = (own.rank + 2) % collective_ranks;
        EXPECT_EQ(onecopy_ibcast(own.world, m.to.data(), four, 2, requests.data()), 0);
        EXPECT_EQ(onecopy_irecv(own.world, &m.to[1], four, left, 4, &requests[1]), 0);
        EXPECT_EQ(onecopy_send(own.world, m.from.data(), four, right, 4), 0);
        for (int left_over = 2; left_over > 0;) {
            std::array<onecopy_finished, 2> finished{};
            const int count = onecopy_wait_some(requests.data(), 2, finished.data());
            ASSERT_GT(count, 0);
            for (int i = 0; i < count; ++i) {
                const onecopy_finished& each = finished[static_cast<std::size_t>(i)];
                EXPECT_EQ(each.status.error, 0);
                if (each.index == 1) {
                    expect_status(each.status, left, 4, four);
                }
            }
            left_over -= count;
        }
        EXPECT_EQ(m.to[1], 1);
    });
}

TEST(CCollectives, ADeathIsANumberForAllWhoLive) {
    for (const bool blocks : {true, false}) {
        Ranks ranks(collective_ranks, joined([blocks](const CRank& own) {
                        EXPECT_EQ(onecopy_barrier(own.world), 0);
                        if (own.rank == 1) die();
                        int one = 1, all = 0;
                        EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, allreduce, own.world, &one, &all,
                                                      sizeof one, sum),
                                  ONECOPY_ERR_PEER_DIED);
                    }));
        EXPECT_TRUE(ranks.wait().all_right({0, 2}));
    }
}

}  // namespace
}  // namespace onecopy::test
