// Communicators by C: making them, deaths, going on without the dead.
#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <thread>
#include <vector>

#include "c_ranks.hpp"
#include "support/child.hpp"

namespace onecopy::test {
namespace {

TEST(CCommunicators, ADuplicateHasMessagesOfItsOwn) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        onecopy_comm* other = nullptr;
        EXPECT_EQ(onecopy_comm_dup(own.world, &other), 0);
        ASSERT_NE(other, nullptr);
        EXPECT_EQ(onecopy_comm_rank(other), own.rank);
        EXPECT_EQ(onecopy_comm_size(other), 2);
        if (own.rank == 0) {
            const int first = 1, second = 2;
            EXPECT_EQ(onecopy_send(own.world, &first, sizeof first, 1, 0), 0);
            EXPECT_EQ(onecopy_send(other, &second, sizeof second, 1, 0), 0);
        } else {
            int number = 0;
            EXPECT_EQ(onecopy_recv(other, &number, sizeof number, 0, 0, nullptr), 0);
            EXPECT_EQ(number, 2);
            EXPECT_EQ(onecopy_recv(own.world, &number, sizeof number, 0, 0, nullptr), 0);
            EXPECT_EQ(number, 1);
        }
        EXPECT_EQ(onecopy_comm_free(&other), 0);
        EXPECT_EQ(other, nullptr);
    });
}

TEST(CCommunicators, AreSplitByColorInTheOrderOfTheirKeys) {
    EXPECT_C_RANKS(4, [](const CRank& own) {
        onecopy_comm* part = reinterpret_cast<onecopy_comm*>(1);
        const int color = own.rank == 2 ? -1 : 0;
        EXPECT_EQ(onecopy_comm_split(own.world, color, -own.rank, &part), 0);
        if (own.rank == 2) {
            EXPECT_EQ(part, nullptr);
            return;
        }
        EXPECT_EQ(onecopy_comm_size(part), 3);
        EXPECT_EQ(onecopy_comm_rank(part), own.rank == 3 ? 0 : 2 - own.rank);
        EXPECT_EQ(onecopy_barrier(part), 0);
        EXPECT_EQ(onecopy_comm_free(&part), 0);
    });
}

TEST(CCommunicators, TheWorldIsNotFreedAndOnlyPlacesForOnesAreFilled) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        onecopy_comm* world = onecopy_node_world(own.node);
        EXPECT_EQ(world, own.world);
        EXPECT_EQ(onecopy_comm_free(&world), -EINVAL);
        EXPECT_EQ(world, own.world);
        EXPECT_EQ(onecopy_comm_dup(world, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_comm_split(world, 0, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_comm_shrink(world, nullptr), -EINVAL);
    });
}

TEST(CCommunicators, RequestsGoOnWhenTheirsIsFreed) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        onecopy_comm* other = nullptr;
        EXPECT_EQ(onecopy_comm_dup(own.world, &other), 0);
        auto memory = own.rank == 0 ? patterned(large, 3) : std::vector<std::byte>(large);
        onecopy_request* request = nullptr;
        if (own.rank == 0) {
            EXPECT_EQ(onecopy_isend(other, memory.data(), large, 1, 0, &request), 0);
        } else {
            EXPECT_EQ(onecopy_irecv(other, memory.data(), large, 0, 0, &request), 0);
        }
        EXPECT_EQ(onecopy_comm_free(&other), 0);
        EXPECT_EQ(onecopy_wait(&request, nullptr), 0);
        EXPECT_TRUE(has_pattern(memory, 3));
    });
}

TEST(CCommunicators, ABarrierWaitsForTheLast) {
    EXPECT_C_RANKS(3, [](const CRank& own) {
        if (own.rank == 2) {
            const int number = 1;
            EXPECT_EQ(onecopy_send(own.world, &number, sizeof number, 0, 0), 0);
        }
        EXPECT_EQ(onecopy_barrier(own.world), 0);
        if (own.rank == 0) {
            // What was sent before it is there behind it.
            EXPECT_EQ(onecopy_iprobe(own.world, 2, 0, nullptr), 1);
            int number = 0;
            EXPECT_EQ(onecopy_recv(own.world, &number, sizeof number, 2, 0, nullptr), 0);
        }
    });
}

TEST(CCommunicators, AfterAKillAllWhoWaitHearOfItAndTheSurvivorsGoOn) {
    Ranks ranks(4, joined([](const CRank& own) {
                    int number = 0;
                    if (own.rank == 2) {
                        for (int i = 0; i < 3; ++i) {
                            EXPECT_EQ(onecopy_recv(own.world, &number, sizeof number,
                                                   ONECOPY_ANY_SOURCE, 0, nullptr),
                                      0);
                        }
                        die();
                    }
                    EXPECT_EQ(onecopy_send(own.world, &number, sizeof number, 2, 0), 0);
                    onecopy_status status = unset_status;
                    // Rank 0 waits for the dead one, the others for each other.
                    const int from = own.rank == 0 ? 2 : 0;
                    EXPECT_EQ(onecopy_recv(own.world, &number, sizeof number, from, 0, &status),
                              ONECOPY_ERR_PEER_DIED);
                    EXPECT_EQ(status.error, ONECOPY_ERR_PEER_DIED);
                    EXPECT_EQ(onecopy_send(own.world, &number, sizeof number, own.rank, 0),
                              ONECOPY_ERR_PEER_DIED);
                    EXPECT_EQ(onecopy_barrier(own.world), ONECOPY_ERR_PEER_DIED);
                    onecopy_comm* other = nullptr;
                    EXPECT_EQ(onecopy_comm_dup(own.world, &other), ONECOPY_ERR_PEER_DIED);
                    EXPECT_EQ(other, nullptr);

                    onecopy_comm* alive = nullptr;
                    ASSERT_EQ(onecopy_comm_shrink(own.world, &alive), 0);
                    EXPECT_EQ(onecopy_comm_size(alive), 3);
                    EXPECT_EQ(onecopy_comm_rank(alive), own.rank == 3 ? 2 : own.rank);
                    EXPECT_EQ(onecopy_barrier(alive), 0);
                    const auto mine = patterned(large, 1);
                    std::vector<std::byte> theirs(large);
                    const int rank = onecopy_comm_rank(alive);
                    EXPECT_EQ(onecopy_sendrecv(alive, mine.data(), large, (rank + 1) % 3, 0,
                                               theirs.data(), large, (rank + 2) % 3, 0, nullptr),
                              0);
                    EXPECT_TRUE(has_pattern(theirs, 1));
                    EXPECT_EQ(onecopy_comm_free(&alive), 0);
                }));
    EXPECT_TRUE(ranks.wait().all_right({0, 1, 3}));
}

TEST(CCommunicators, ADeathEndsRequestsAndProbesAndViewsOfItAreKept) {
    Ranks ranks(
        2, joined([](const CRank& own) {
            const int done = 1;
            int number = 0;
            if (own.rank == 1) {
                const std::span block = own.block(large);
                fill(block, 2);
                onecopy_request* request = nullptr;
                EXPECT_EQ(onecopy_isend(own.world, block.data(), large, 0, 1, &request), 0);
                EXPECT_EQ(onecopy_recv(own.world, &number, sizeof number, 0, 0, nullptr), 0);
                die();
            }
            onecopy_view* view = nullptr;
            EXPECT_EQ(onecopy_recv_view(own.world, 1, 1, &view, nullptr), 0);
            onecopy_request* request = nullptr;
            EXPECT_EQ(onecopy_irecv(own.world, &number, sizeof number, 1, 0, &request), 0);
            EXPECT_EQ(onecopy_send(own.world, &done, sizeof done, 1, 0), 0);
            EXPECT_EQ(onecopy_wait(&request, nullptr), ONECOPY_ERR_PEER_DIED);
            EXPECT_EQ(request, nullptr);
            EXPECT_EQ(onecopy_probe(own.world, 1, 0, nullptr), ONECOPY_ERR_PEER_DIED);
            EXPECT_EQ(onecopy_iprobe(own.world, 1, 0, nullptr), ONECOPY_ERR_PEER_DIED);
            onecopy_view* none = nullptr;
            EXPECT_EQ(onecopy_recv_view(own.world, 1, 1, &none, nullptr), ONECOPY_ERR_PEER_DIED);
            EXPECT_EQ(none, nullptr);
            EXPECT_TRUE(has_pattern(
                {static_cast<const std::byte*>(onecopy_view_data(view)), onecopy_view_bytes(view)},
                2));
            EXPECT_EQ(onecopy_view_free(&view), 0);
        }));
    EXPECT_TRUE(ranks.wait().all_right({0}));
}

TEST(CCommunicators, WhoWaitsForARankThatHasLeftHearsThatItLeft) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        if (own.rank == 1) return;
        int number = 0;
        EXPECT_EQ(onecopy_recv(own.world, &number, sizeof number, 1, 0, nullptr),
                  ONECOPY_ERR_PEER_LEFT);
    });
}

TEST(CCommunicators, TheirHandlePollsReadableForAMessageAndNotWithoutOne) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        int number = 0;
        if (own.rank == 1) {
            for (int i = 0; i < 20; ++i) {
                EXPECT_EQ(onecopy_send(own.world, &i, sizeof i, 0, 0), 0);
                EXPECT_EQ(onecopy_recv(own.world, &number, sizeof number, 0, 0, nullptr), 0);
            }
            return;
        }
        const int fd = onecopy_comm_native_handle(own.world);
        ASSERT_GE(fd, 0);
        EXPECT_EQ(onecopy_comm_native_handle(own.world), fd);
        pollfd one{fd, POLLIN, 0};
        for (int i = 0; i < 20; ++i) {
            while (onecopy_iprobe(own.world, 1, 0, nullptr) == 0) {
                ASSERT_EQ(::poll(&one, 1, deadlock_guard_ms), 1);
            }
            EXPECT_EQ(onecopy_recv(own.world, &number, sizeof number, 1, 0, nullptr), 0);
            EXPECT_EQ(number, i);
            // Nothing comes before we answer; but what is known already may be told once more.
            int readable = 1;
            for (int looks = 0; readable == 1 && looks < 100; ++looks) {
                ASSERT_EQ(onecopy_iprobe(own.world, 1, 0, nullptr), 0);
                readable = ::poll(&one, 1, 0);
            }
            EXPECT_EQ(readable, 0);
            EXPECT_EQ(onecopy_send(own.world, &i, sizeof i, 1, 0), 0);
        }
    });
}

TEST(CCommunicators, SeveralThreadsUseOneWhereTheNodeWasOpenedForThem) {
    const auto body = [](const CRank& own) {
        constexpr int threads = 3, rounds = 200;
        std::vector<std::thread> all;
        for (int tag = 0; tag < threads; ++tag) {
            all.emplace_back([&own, tag] {
                for (int i = 0; i < rounds; ++i) {
                    const int mine = 1000 * tag + i;
                    int theirs = -1;
                    onecopy_request* request = nullptr;
                    EXPECT_EQ(onecopy_irecv(own.world, &theirs, sizeof theirs, 1 - own.rank, tag,
                                            &request),
                              0);
                    EXPECT_EQ(onecopy_send(own.world, &mine, sizeof mine, 1 - own.rank, tag), 0);
                    EXPECT_EQ(onecopy_wait(&request, nullptr), 0);
                    EXPECT_EQ(theirs, mine);
                    void* const block = onecopy_node_alloc(own.node, 100);
                    EXPECT_EQ(onecopy_node_free(own.node, block), 0);
                }
            });
        }
        for (std::thread& each : all) each.join();
    };
    EXPECT_RANKS(2, joined(body, ONECOPY_NODE_THREADS));
}

}  // namespace
}  // namespace onecopy::test
