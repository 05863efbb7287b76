// Requests by C: one at a time, persistent, cancelled.
#include <gtest/gtest.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "c_ranks.hpp"

namespace onecopy::test {
namespace {

TEST(CRequests, OfASynchronousSendAreDoneWhenTheMessageIsReceived) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        int number = 7, go = 0;
        if (own.rank == 0) {
            onecopy_request* request = nullptr;
            EXPECT_EQ(onecopy_issend(own.world, &number, sizeof number, 1, 1, &request), 0);
            for (int i = 0; i < 100; ++i) ASSERT_EQ(onecopy_test(&request, nullptr), 0);
            EXPECT_EQ(onecopy_send(own.world, &go, sizeof go, 1, 2), 0);
            EXPECT_EQ(onecopy_wait(&request, nullptr), 0);
            EXPECT_EQ(onecopy_ssend(own.world, &number, sizeof number, 1, 3), 0);
            EXPECT_EQ(onecopy_ssend(nullptr, &number, sizeof number, 1, 3), -EINVAL);
        } else {
            EXPECT_EQ(onecopy_recv(own.world, &go, sizeof go, 0, 2, nullptr), 0);
            for (const int tag : {1, 3}) {
                number = 0;
                EXPECT_EQ(onecopy_recv(own.world, &number, sizeof number, 0, tag, nullptr), 0);
                EXPECT_EQ(number, 7);
            }
        }
    });
}

TEST(CRequests, AreNullAfterTheyWereWaitedFor) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        onecopy_request* request = nullptr;
        onecopy_status status = unset_status;
        if (own.rank == 0) {
            const auto message = patterned(large, 1);
            EXPECT_EQ(onecopy_isend(own.world, message.data(), large, 1, 2, &request), 0);
            ASSERT_NE(request, nullptr);
            EXPECT_EQ(onecopy_wait(&request, nullptr), 0);
        } else {
            std::vector<std::byte> memory(large);
            EXPECT_EQ(onecopy_irecv(own.world, memory.data(), large, 0, 2, &request), 0);
            ASSERT_NE(request, nullptr);
            int done = 0;
            while ((done = onecopy_test(&request, &status)) == 0) {
                EXPECT_EQ(status.bytes, unset_status.bytes);
                ASSERT_NE(request, nullptr);
            }
            EXPECT_EQ(done, 1);
            expect_status(status, 0, 2, large);
            EXPECT_TRUE(has_pattern(memory, 1));
        }
        EXPECT_EQ(request, nullptr);
        // One that is none is done, and empty.
        EXPECT_EQ(onecopy_wait(&request, &status), 0);
        expect_status(status, ONECOPY_ANY_SOURCE, ONECOPY_ANY_TAG, 0);
        status = unset_status;
        EXPECT_EQ(onecopy_test(&request, &status), 1);
        expect_status(status, ONECOPY_ANY_SOURCE, ONECOPY_ANY_TAG, 0);
    });
}

TEST(CRequests, OfScatteredMemoryReadTheListBeforeTheyReturn) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        auto memory = own.rank == 0 ? patterned(large, 4) : std::vector<std::byte>(large);
        const std::size_t cut = own.rank == 0 ? 1000 : 299'000;
        std::array<iovec, 2> pieces = {{{memory.data(), cut}, {memory.data() + cut, large - cut}}};
        onecopy_request* request = nullptr;
        if (own.rank == 0) {
            EXPECT_EQ(onecopy_isendv(own.world, pieces.data(), 2, 1, 0, &request), 0);
        } else {
            EXPECT_EQ(onecopy_irecvv(own.world, pieces.data(), 2, 0, 0, &request), 0);
        }
        pieces = {};
        onecopy_status status;
        EXPECT_EQ(onecopy_wait(&request, &status), 0);
        EXPECT_TRUE(has_pattern(memory, 4));
        if (own.rank == 1) expect_status(status, 0, 0, large);
    });
}

TEST(CRequests, ReportWhatStoppedTheMessage) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        std::uint64_t number = 0;
        onecopy_request* request = nullptr;
        onecopy_status status = unset_status;
        EXPECT_EQ(onecopy_isend(own.world, &number, sizeof number, 1, 0, &request), 0);
        EXPECT_EQ(onecopy_wait(&request, &status), ONECOPY_ERR_BAD_RANK);
        EXPECT_EQ(status.error, ONECOPY_ERR_BAD_RANK);
        EXPECT_EQ(request, nullptr);
        EXPECT_EQ(onecopy_irecv(own.world, &number, sizeof number, 0, -2, &request), 0);
        status = unset_status;
        EXPECT_EQ(onecopy_test(&request, &status), ONECOPY_ERR_BAD_TAG);
        EXPECT_EQ(status.error, ONECOPY_ERR_BAD_TAG);
        EXPECT_EQ(request, nullptr);

        EXPECT_EQ(onecopy_send(own.world, &number, sizeof number, 0, 0), 0);
        std::uint32_t half = 0;
        EXPECT_EQ(onecopy_irecv(own.world, &half, sizeof half, 0, 0, &request), 0);
        EXPECT_EQ(onecopy_wait(&request, &status), ONECOPY_ERR_TRUNCATED);
        expect_status(status, 0, 0, sizeof number, ONECOPY_ERR_TRUNCATED);
        EXPECT_EQ(request, nullptr);
    });
}

TEST(CRequests, PersistentOnesAreStartedAgainAndAgain) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        std::vector<std::byte> memory(large);
        onecopy_request* request = nullptr;
        if (own.rank == 0) {
            EXPECT_EQ(onecopy_send_init(own.world, memory.data(), large, 1, 9, &request), 0);
        } else {
            EXPECT_EQ(onecopy_recv_init(own.world, memory.data(), large, 0, 9, &request), 0);
        }
        onecopy_request* const same = request;
        onecopy_status status = unset_status;
        EXPECT_EQ(onecopy_wait(&request, &status), 0);  // not active yet
        expect_status(status, ONECOPY_ANY_SOURCE, ONECOPY_ANY_TAG, 0);
        for (unsigned round = 0; round < 3; ++round) {
            if (own.rank == 0) fill(memory, round);
            EXPECT_EQ(onecopy_start(request), 0);
            EXPECT_EQ(onecopy_start(request), -EBUSY);
            EXPECT_EQ(onecopy_wait(&request, &status), 0);
            EXPECT_EQ(request, same);
            if (own.rank == 1) expect_status(status, 0, 9, large);
            EXPECT_TRUE(has_pattern(memory, round));
        }
        EXPECT_EQ(onecopy_request_free(&request), 0);
        EXPECT_EQ(request, nullptr);
    });
}

TEST(CRequests, OnlyPersistentOnesAreStarted) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        int number = 0;
        onecopy_request* request = nullptr;
        EXPECT_EQ(onecopy_irecv(own.world, &number, sizeof number, 0, 0, &request), 0);
        EXPECT_EQ(onecopy_start(request), -EINVAL);
        EXPECT_EQ(onecopy_start(nullptr), -EINVAL);
        EXPECT_EQ(onecopy_request_free(&request), 0);
    });
}

TEST(CRequests, AReceiveWithoutAMessageIsCancelledAndThenWaitedFor) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        int number = 0;
        onecopy_request* request = nullptr;
        onecopy_status status;
        EXPECT_EQ(onecopy_irecv(own.world, &number, sizeof number, 0, 0, &request), 0);
        EXPECT_EQ(onecopy_cancel(request), 1);
        EXPECT_EQ(onecopy_wait(&request, &status), ONECOPY_ERR_CANCELLED);
        EXPECT_EQ(status.error, ONECOPY_ERR_CANCELLED);
        EXPECT_EQ(request, nullptr);

        const int sent = 5;
        EXPECT_EQ(onecopy_send(own.world, &sent, sizeof sent, 0, 0), 0);
        EXPECT_EQ(onecopy_irecv(own.world, &number, sizeof number, 0, 0, &request), 0);
        while (onecopy_iprobe(own.world, 0, 0, nullptr) == 1) {
        }
        EXPECT_EQ(onecopy_cancel(request), 0);  // it has its message
        EXPECT_EQ(onecopy_wait(&request, nullptr), 0);
        EXPECT_EQ(number, sent);

        EXPECT_EQ(onecopy_recv_init(own.world, &number, sizeof number, 0, 0, &request), 0);
        EXPECT_EQ(onecopy_cancel(request), 0);  // not active
        EXPECT_EQ(onecopy_request_free(&request), 0);
        EXPECT_EQ(onecopy_cancel(nullptr), -EINVAL);
    });
}

TEST(CRequests, OneThatIsFreedLeavesItsMessageToOthers) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        int number = 0;
        onecopy_request* request = nullptr;
        EXPECT_EQ(onecopy_irecv(own.world, &number, sizeof number, 0, 0, &request), 0);
        EXPECT_EQ(onecopy_request_free(&request), 0);
        const int sent = 6;
        EXPECT_EQ(onecopy_send(own.world, &sent, sizeof sent, 0, 0), 0);
        int other = 0;
        EXPECT_EQ(onecopy_recv(own.world, &other, sizeof other, 0, 0, nullptr), 0);
        EXPECT_EQ(other, sent);
        EXPECT_EQ(number, 0);
    });
}

TEST(CRequests, AreNotBegunWithoutAPlaceForThemOrWithNonsense) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        onecopy_comm* const world = own.world;
        std::array<std::byte, 8> memory{};
        const iovec piece{memory.data(), 8}, nowhere{nullptr, 8};
        onecopy_request* const before = reinterpret_cast<onecopy_request*>(1);
        onecopy_request* request = before;
        const auto refused = [&](int error) {
            EXPECT_EQ(error, -EINVAL);
            EXPECT_EQ(request, nullptr);
            request = before;
        };
        refused(onecopy_isend(nullptr, memory.data(), 8, 0, 0, &request));
        refused(onecopy_issend(nullptr, memory.data(), 8, 0, 0, &request));
        refused(onecopy_irecv(nullptr, memory.data(), 8, 0, 0, &request));
        refused(onecopy_isendv(nullptr, &piece, 1, 0, 0, &request));
        refused(onecopy_irecvv(nullptr, &piece, 1, 0, 0, &request));
        refused(onecopy_send_init(nullptr, memory.data(), 8, 0, 0, &request));
        refused(onecopy_recv_init(nullptr, memory.data(), 8, 0, 0, &request));
        refused(onecopy_imrecv(nullptr, memory.data(), 8, &request));
        refused(onecopy_isend(world, nullptr, 8, 0, 0, &request));
        refused(onecopy_irecv(world, nullptr, 8, 0, 0, &request));
        refused(onecopy_isendv(world, &nowhere, 1, 0, 0, &request));
        refused(onecopy_irecvv(world, nullptr, 1, 0, 0, &request));
        refused(onecopy_send_init(world, memory.data(), SIZE_MAX, 0, 0, &request));
        refused(onecopy_recv_init(world, nullptr, 8, 0, 0, &request));
        EXPECT_EQ(onecopy_isend(world, memory.data(), 8, 0, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_irecv(world, memory.data(), 8, 0, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_isendv(world, &piece, 1, 0, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_irecvv(world, &piece, 1, 0, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_send_init(world, memory.data(), 8, 0, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_recv_init(world, memory.data(), 8, 0, 0, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_wait(nullptr, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_test(nullptr, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_request_free(nullptr), -EINVAL);
        EXPECT_EQ(onecopy_iprobe(world, 0, 0, nullptr), 0);  // nothing was sent
    });
}

}  // namespace
}  // namespace onecopy::test
