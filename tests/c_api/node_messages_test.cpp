// Messages by C: the calls that wait or look.
#include <gtest/gtest.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "c_ranks.hpp"

namespace onecopy::test {
namespace {

TEST(CMessages, ArriveWithTheirBytesSourceAndTag) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        for (const std::size_t bytes : {std::size_t{0}, std::size_t{8}, large}) {
            if (own.rank == 0) {
                const auto message = patterned(bytes, 1);
                EXPECT_EQ(onecopy_send(own.world, message.data(), bytes, 1, 7), 0);
            } else {
                std::vector<std::byte> memory(bytes + 1);
                onecopy_status status = unset_status;
                EXPECT_EQ(onecopy_recv(own.world, memory.data(), bytes + 1, 0, 7, &status), 0);
                expect_status(status, 0, 7, bytes);
                EXPECT_TRUE(has_pattern(std::span(memory).first(bytes), 1));
                EXPECT_EQ(memory.back(), std::byte{0});
            }
        }
    });
}

TEST(CMessages, ALongerOneIsCutAndItsLengthTold) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        for (const std::size_t bytes : {std::size_t{100}, large}) {
            const std::size_t room = bytes / 2;
            if (own.rank == 0) {
                const auto message = patterned(bytes, 2);
                EXPECT_EQ(onecopy_send(own.world, message.data(), bytes, 1, 0), 0);
            } else {
                std::vector<std::byte> memory(bytes);
                onecopy_status status = unset_status;
                EXPECT_EQ(onecopy_recv(own.world, memory.data(), room, 0, 0, &status),
                          ONECOPY_ERR_TRUNCATED);
                expect_status(status, 0, 0, bytes, ONECOPY_ERR_TRUNCATED);
                EXPECT_TRUE(has_pattern(std::span(memory).first(room), 2));
                EXPECT_EQ(memory[room], std::byte{0});
            }
        }
    });
}

TEST(CMessages, OfAnySourceAndAnyTagTellWhoSentThem) {
    EXPECT_C_RANKS(4, [](const CRank& own) {
        if (own.rank != 0) {
            EXPECT_EQ(onecopy_send(own.world, &own.rank, sizeof own.rank, 0, 10 + own.rank), 0);
            return;
        }
        int seen = 0;
        for (int i = 1; i < 4; ++i) {
            int number = 0;
            onecopy_status status;
            EXPECT_EQ(onecopy_recv(own.world, &number, sizeof number, ONECOPY_ANY_SOURCE,
                                   ONECOPY_ANY_TAG, &status),
                      0);
            expect_status(status, number, 10 + number, sizeof number);
            seen |= 1 << number;
        }
        EXPECT_EQ(seen, 0b1110);
    });
}

TEST(CMessages, GoFromScatteredMemoryToScatteredMemory) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        for (const std::size_t bytes : {std::size_t{90}, large}) {
            auto memory = own.rank == 0 ? patterned(bytes, 3) : std::vector<std::byte>(bytes);
            // More pieces than are kept without malloc, an empty one at NULL among them.
            std::vector<iovec> pieces = {{nullptr, 0}};
            const std::size_t count = own.rank == 0 ? 45 : 10;
            for (std::size_t i = 0; i < count; ++i) {
                const std::size_t from = bytes * i / count, to = bytes * (i + 1) / count;
                pieces.push_back({memory.data() + from, to - from});
            }
            if (own.rank == 0) {
                EXPECT_EQ(onecopy_sendv(own.world, pieces.data(), pieces.size(), 1, 0), 0);
            } else {
                onecopy_status status;
                EXPECT_EQ(onecopy_recvv(own.world, pieces.data(), pieces.size(), 0, 0, &status), 0);
                expect_status(status, 0, 0, bytes);
                EXPECT_TRUE(has_pattern(memory, 3));
            }
        }
    });
}

TEST(CMessages, AreSentAndReceivedAtOnce) {
    EXPECT_C_RANKS(3, [](const CRank& own) {
        const int right = (own.rank + 1) % 3, left = (own.rank + 2) % 3;
        const auto mine = patterned(large, static_cast<unsigned>(own.rank));
        std::vector<std::byte> theirs(large);
        onecopy_status status;
        EXPECT_EQ(onecopy_sendrecv(own.world, mine.data(), large, right, 4, theirs.data(), large,
                                   left, 4, &status),
                  0);
        expect_status(status, left, 4, large);
        EXPECT_TRUE(has_pattern(theirs, static_cast<unsigned>(left)));
    });
}

TEST(CMessages, ThatWereProbedStayInTheQueue) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        if (own.rank == 1) {
            const auto message = patterned(60, 5);
            EXPECT_EQ(onecopy_send(own.world, message.data(), 60, 0, 3), 0);
            EXPECT_EQ(onecopy_barrier(own.world), 0);
            return;
        }
        onecopy_status status = unset_status;
        EXPECT_EQ(onecopy_iprobe(own.world, 1, 2, &status), 0);
        EXPECT_EQ(status.bytes, unset_status.bytes);
        EXPECT_EQ(onecopy_probe(own.world, ONECOPY_ANY_SOURCE, 3, &status), 0);
        expect_status(status, 1, 3, 60);
        EXPECT_EQ(onecopy_probe(own.world, 1, 3, nullptr), 0);
        status = unset_status;
        EXPECT_EQ(onecopy_iprobe(own.world, 1, ONECOPY_ANY_TAG, &status), 1);
        expect_status(status, 1, 3, 60);
        EXPECT_EQ(onecopy_iprobe(own.world, 1, 3, nullptr), 1);
        std::vector<std::byte> memory(60);
        EXPECT_EQ(onecopy_recv(own.world, memory.data(), 60, 1, 3, nullptr), 0);
        EXPECT_TRUE(has_pattern(memory, 5));
        EXPECT_EQ(onecopy_iprobe(own.world, 1, 3, nullptr), 0);
        EXPECT_EQ(onecopy_barrier(own.world), 0);
    });
}

TEST(CMessages, ThatWereTakenOutOfTheQueueAreReceivedByTheirHandleOnly) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        constexpr int rounds = 4;
        if (own.rank == 1) {
            for (unsigned i = 0; i < rounds; ++i) {
                const auto message = patterned(i % 2 == 0 ? 60 : large, i);
                EXPECT_EQ(onecopy_send(own.world, message.data(), message.size(), 0, 3), 0);
            }
            return;
        }
        for (unsigned i = 0; i < rounds; ++i) {
            const std::size_t bytes = i % 2 == 0 ? 60 : large;
            onecopy_message* message = nullptr;
            onecopy_status status = unset_status;
            if (i < 2) {
                EXPECT_EQ(onecopy_mprobe(own.world, 1, 3, &message, &status), 0);
            } else {
                int found = 0;
                while ((found = onecopy_improbe(own.world, 1, 3, &message, &status)) == 0) {
                    EXPECT_EQ(message, nullptr);
                }
                EXPECT_EQ(found, 1);
            }
            ASSERT_NE(message, nullptr);
            expect_status(status, 1, 3, bytes);
            std::vector<std::byte> memory(bytes);
            status = unset_status;
            EXPECT_EQ(onecopy_mrecv(&message, nullptr, bytes, &status), -EINVAL);
            ASSERT_NE(message, nullptr);
            if (i % 2 == 0) {
                EXPECT_EQ(onecopy_mrecv(&message, memory.data(), bytes, &status), 0);
            } else {
                onecopy_request* request = nullptr;
                EXPECT_EQ(onecopy_imrecv(&message, memory.data(), bytes, nullptr), -EINVAL);
                EXPECT_EQ(onecopy_imrecv(&message, memory.data(), bytes, &request), 0);
                EXPECT_EQ(onecopy_wait(&request, &status), 0);
            }
            EXPECT_EQ(message, nullptr);
            expect_status(status, 1, 3, bytes);
            EXPECT_TRUE(has_pattern(memory, i));
        }
        onecopy_message* none = nullptr;
        EXPECT_EQ(onecopy_mrecv(&none, nullptr, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_mrecv(nullptr, nullptr, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_message_free(&none), 0);
        EXPECT_EQ(onecopy_message_free(nullptr), -EINVAL);
    });
}

TEST(CMessages, OneThatIsThrownAwayLetsItsSenderGo) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        const auto message = patterned(large, 1);
        if (own.rank == 1) {
            EXPECT_EQ(onecopy_send(own.world, message.data(), large, 0, 0), 0);
            return;
        }
        onecopy_message* found = nullptr;
        EXPECT_EQ(onecopy_mprobe(own.world, 1, 0, &found, nullptr), 0);
        EXPECT_EQ(onecopy_message_free(&found), 0);
    });
}

TEST(CMessages, TruncatedByTheirHandleAreOverToo) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        const std::uint64_t number = 7;
        EXPECT_EQ(onecopy_send(own.world, &number, sizeof number, 0, 0), 0);
        onecopy_message* message = nullptr;
        EXPECT_EQ(onecopy_mprobe(own.world, 0, 0, &message, nullptr), 0);
        std::uint32_t half = 0;
        onecopy_status status;
        EXPECT_EQ(onecopy_mrecv(&message, &half, sizeof half, &status), ONECOPY_ERR_TRUNCATED);
        expect_status(status, 0, 0, sizeof number, ONECOPY_ERR_TRUNCATED);
        EXPECT_EQ(message, nullptr);
    });
}

TEST(CMessages, OfAnArenaAreReadInPlaceUntilTheViewIsFreed) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        if (own.rank == 0) {
            const std::span block = own.block(large);
            fill(block, 6);
            onecopy_request* request = nullptr;
            EXPECT_EQ(onecopy_isend(own.world, block.data(), large, 1, 4, &request), 0);
            EXPECT_EQ(onecopy_barrier(own.world), 0);
            EXPECT_EQ(onecopy_test(&request, nullptr), 0);  // it is being read
            block[17] = std::byte{0x5a};
            EXPECT_EQ(onecopy_barrier(own.world), 0);
            EXPECT_EQ(onecopy_wait(&request, nullptr), 0);
            EXPECT_EQ(onecopy_node_free(own.node, block.data()), 0);
        } else {
            onecopy_view* view = nullptr;
            onecopy_status status;
            EXPECT_EQ(onecopy_recv_view(own.world, 0, 4, &view, &status), 0);
            expect_status(status, 0, 4, large);
            EXPECT_EQ(onecopy_view_in_place(view), 1);
            const std::span bytes(static_cast<const std::byte*>(onecopy_view_data(view)),
                                  onecopy_view_bytes(view));
            EXPECT_EQ(bytes.size(), large);
            EXPECT_TRUE(has_pattern(bytes, 6));
            EXPECT_EQ(onecopy_barrier(own.world), 0);
            EXPECT_EQ(onecopy_barrier(own.world), 0);
            EXPECT_EQ(bytes[17], std::byte{0x5a});
            EXPECT_EQ(onecopy_view_free(&view), 0);
        }
    });
}

TEST(CMessages, ThatCannotBeReadInPlaceAreSeenAsACopy) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        const auto small = patterned(50, 8);
        EXPECT_EQ(onecopy_send(own.world, small.data(), 50, 0, 0), 0);
        onecopy_view* view = nullptr;
        EXPECT_EQ(onecopy_recv_view(own.world, 0, 0, &view, nullptr), 0);
        EXPECT_EQ(onecopy_view_in_place(view), 0);
        ASSERT_EQ(onecopy_view_bytes(view), 50U);
        EXPECT_TRUE(has_pattern({static_cast<const std::byte*>(onecopy_view_data(view)), 50}, 8));
        EXPECT_EQ(onecopy_view_free(&view), 0);

        EXPECT_EQ(onecopy_view_free(&view), 0);
        EXPECT_EQ(onecopy_view_free(nullptr), -EINVAL);
        EXPECT_EQ(onecopy_view_data(nullptr), nullptr);
        EXPECT_EQ(onecopy_view_bytes(nullptr), 0U);
        EXPECT_EQ(onecopy_view_in_place(nullptr), -EINVAL);
        EXPECT_EQ(onecopy_recv_view(nullptr, 0, 0, &view, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_recv_view(own.world, 0, 0, nullptr, nullptr), -EINVAL);
    });
}

TEST(CMessages, ARankOrATagThatIsNoneIsAnErrorOfEveryCall) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        onecopy_comm* const world = own.world;
        int number = 0;
        const iovec piece{&number, sizeof number};
        onecopy_message* message = nullptr;
        onecopy_view* view = nullptr;
        for (const bool bad_rank : {true, false}) {
            const int rank = bad_rank ? 1 : 0, tag = bad_rank ? 0 : -7;
            const int error = bad_rank ? ONECOPY_ERR_BAD_RANK : ONECOPY_ERR_BAD_TAG;
            onecopy_status status = unset_status;
            EXPECT_EQ(onecopy_send(world, &number, sizeof number, rank, tag), error);
            EXPECT_EQ(onecopy_sendv(world, &piece, 1, rank, tag), error);
            EXPECT_EQ(onecopy_recv(world, &number, sizeof number, rank, tag, &status), error);
            EXPECT_EQ(status.error, error);
            status = unset_status;
            EXPECT_EQ(onecopy_recvv(world, &piece, 1, rank, tag, &status), error);
            EXPECT_EQ(status.error, error);
            EXPECT_EQ(onecopy_sendrecv(world, &number, sizeof number, rank, tag, &number,
                                       sizeof number, 0, 0, nullptr),
                      error);
            status = unset_status;
            EXPECT_EQ(onecopy_probe(world, rank, tag, &status), error);
            EXPECT_EQ(status.error, error);
            EXPECT_EQ(onecopy_iprobe(world, rank, tag, nullptr), error);
            EXPECT_EQ(onecopy_mprobe(world, rank, tag, &message, nullptr), error);
            EXPECT_EQ(onecopy_improbe(world, rank, tag, &message, nullptr), error);
            EXPECT_EQ(message, nullptr);
            EXPECT_EQ(onecopy_recv_view(world, rank, tag, &view, nullptr), error);
            EXPECT_EQ(view, nullptr);
        }
    });
}

TEST(CMessages, MemoryOrAHandleThatIsMissingIsAnErrorOfEveryCall) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        onecopy_comm* const world = own.world;
        std::array<std::byte, 8> memory{};
        onecopy_message* message = nullptr;
        const std::array<iovec, 2> nowhere = {{{memory.data(), 8}, {nullptr, 1}}};
        const std::array<iovec, 2> endless = {{{memory.data(), SSIZE_MAX}, {memory.data(), 1}}};
        for (const std::size_t bytes : {std::size_t{1}, SIZE_MAX}) {
            void* const at = bytes == 1 ? nullptr : memory.data();
            const auto& pieces = bytes == 1 ? nowhere : endless;
            EXPECT_EQ(onecopy_send(world, at, bytes, 0, 0), -EINVAL);
            EXPECT_EQ(onecopy_recv(world, at, bytes, 0, 0, nullptr), -EINVAL);
            EXPECT_EQ(onecopy_sendrecv(world, at, bytes, 0, 0, memory.data(), 8, 0, 0, nullptr),
                      -EINVAL);
            EXPECT_EQ(onecopy_sendrecv(world, memory.data(), 8, 0, 0, at, bytes, 0, 0, nullptr),
                      -EINVAL);
            EXPECT_EQ(onecopy_sendv(world, pieces.data(), 2, 0, 0), -EINVAL);
            EXPECT_EQ(onecopy_recvv(world, pieces.data(), 2, 0, 0, nullptr), -EINVAL);
        }
        EXPECT_EQ(onecopy_sendv(world, nullptr, 1, 0, 0), -EINVAL);
        EXPECT_EQ(onecopy_recvv(world, nullptr, 1, 0, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_sendv(world, endless.data(), SIZE_MAX, 0, 0), -ENOMEM);

        EXPECT_EQ(onecopy_send(nullptr, memory.data(), 8, 0, 0), -EINVAL);
        EXPECT_EQ(onecopy_recv(nullptr, memory.data(), 8, 0, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_sendv(nullptr, endless.data(), 1, 0, 0), -EINVAL);
        EXPECT_EQ(onecopy_recvv(nullptr, endless.data(), 1, 0, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_sendrecv(nullptr, nullptr, 0, 0, 0, nullptr, 0, 0, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_probe(nullptr, 0, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_iprobe(nullptr, 0, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_mprobe(nullptr, 0, 0, &message, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_mprobe(world, 0, 0, nullptr, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_improbe(nullptr, 0, 0, &message, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_iprobe(world, 0, 0, nullptr), 0);  // nothing of all that was sent
    });
}

}  // namespace
}  // namespace onecopy::test
