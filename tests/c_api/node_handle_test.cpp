// Joining and leaving by C: options, errors, the arena.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "c_ranks.hpp"

namespace onecopy::test {
namespace {

TEST(CNode, OutsideOfAJobItSaysSo) {
    onecopy_node* node = reinterpret_cast<onecopy_node*>(1);
    EXPECT_EQ(onecopy_node_open(nullptr, &node), ONECOPY_ERR_NO_JOB);
    EXPECT_EQ(node, nullptr);
    EXPECT_STREQ(onecopy_error_text(ONECOPY_ERR_NO_JOB),
                 make_error_code(Errc::no_job).message().c_str());
}

TEST(CNode, EveryErrorHasItsText) {
    EXPECT_STREQ(onecopy_error_text(0), "no error");
    EXPECT_STREQ(onecopy_error_text(3), "no error");
    EXPECT_STREQ(onecopy_error_text(-ENOMEM), std::strerror(ENOMEM));
    for (int error = ONECOPY_ERR_TRUNCATED; error >= ONECOPY_ERR_NO_JOB; --error) {
        EXPECT_EQ(std::string(onecopy_error_text(error)).find("unknown"), std::string::npos);
    }
    EXPECT_STREQ(onecopy_error_text(-10099), "unknown error 99");
    EXPECT_STREQ(onecopy_error_text(-5000), "unknown error -5000");
    EXPECT_NE(std::strlen(onecopy_error_text(INT_MIN)), 0U);
}

TEST(CNode, MissingHandlesAreErrorsOfEveryCallOnThem) {
    onecopy_node* no_node = nullptr;
    onecopy_comm* no_comm = nullptr;
    onecopy_counters counters;
    EXPECT_EQ(onecopy_node_open(nullptr, nullptr), -EINVAL);
    EXPECT_EQ(onecopy_node_close(nullptr), -EINVAL);
    EXPECT_EQ(onecopy_node_close(&no_node), 0);
    EXPECT_EQ(onecopy_node_rank(nullptr), -EINVAL);
    EXPECT_EQ(onecopy_node_size(nullptr), -EINVAL);
    EXPECT_EQ(onecopy_node_world(nullptr), nullptr);
    EXPECT_EQ(onecopy_node_counters(nullptr, &counters, sizeof counters), -EINVAL);
    errno = 0;
    EXPECT_EQ(onecopy_node_alloc(nullptr, 1), nullptr);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(onecopy_node_free(nullptr, &counters), -EINVAL);
    EXPECT_EQ(onecopy_comm_rank(nullptr), -EINVAL);
    EXPECT_EQ(onecopy_comm_size(nullptr), -EINVAL);
    EXPECT_EQ(onecopy_comm_free(nullptr), -EINVAL);
    EXPECT_EQ(onecopy_comm_free(&no_comm), 0);
    for (const auto make : {onecopy_comm_dup, onecopy_comm_shrink}) {
        onecopy_comm* result = reinterpret_cast<onecopy_comm*>(1);
        EXPECT_EQ(make(nullptr, &result), -EINVAL);
        EXPECT_EQ(result, nullptr);
    }
    onecopy_comm* result = nullptr;
    EXPECT_EQ(onecopy_comm_split(nullptr, 0, 0, &result), -EINVAL);
    EXPECT_EQ(onecopy_barrier(nullptr), -EINVAL);
    EXPECT_EQ(onecopy_comm_native_handle(nullptr), -EINVAL);
}

TEST(CNode, OptionsOfAnotherVersionAreTakenIfTheyAskForNothingNew) {
    onecopy_node* node = nullptr;
    onecopy_node_options options = ONECOPY_NODE_OPTIONS;
    options.struct_bytes -= 1;
    EXPECT_EQ(onecopy_node_open(&options, &node), -EINVAL);
    options.struct_bytes = SIZE_MAX;
    EXPECT_EQ(onecopy_node_open(&options, &node), -E2BIG);

    struct {
        onecopy_node_options known = ONECOPY_NODE_OPTIONS;
        std::uint64_t later = 0;
    } newer;
    newer.known.struct_bytes = sizeof newer;
    EXPECT_EQ(onecopy_node_open(&newer.known, &node), ONECOPY_ERR_NO_JOB);
    newer.later = std::uint64_t{1} << 63;
    EXPECT_EQ(onecopy_node_open(&newer.known, &node), -E2BIG);
}

TEST(CNode, UnknownFlagsAreRefused) {
    onecopy_node* node = nullptr;
    onecopy_node_options options = ONECOPY_NODE_OPTIONS;
    options.flags = ONECOPY_NODE_THREADS | 2;
    EXPECT_EQ(onecopy_node_open(&options, &node), -EINVAL);
}

/// Joins by key as one of two, and hears the other's rank.
int meet(const std::string& key, int rank) {
    onecopy_node_options options = ONECOPY_NODE_OPTIONS;
    options.key = key.c_str();
    options.rank = rank;
    options.size = 2;
    onecopy_node* node = nullptr;
    if (const int error = onecopy_node_open(&options, &node); error != 0) return error;
    onecopy_comm* const world = onecopy_node_world(node);
    int heard = -1;
    const int error = onecopy_sendrecv(world, &rank, sizeof rank, 1 - rank, 0, &heard, sizeof heard,
                                       1 - rank, 0, nullptr);
    const bool good = error == 0 && heard == 1 - rank && onecopy_node_rank(node) == rank &&
                      onecopy_node_size(node) == 2 && onecopy_comm_size(world) == 2;
    return onecopy_node_close(&node) == 0 && good ? 0 : 1;
}

TEST(CNode, RanksMeetByTheKeyInTheirOptions) {
    const std::string key = "c node test " + std::to_string(::getpid());
    const pid_t child = ::fork();
    if (child == 0) ::_exit(meet(key, 1) == 0 ? 0 : 1);
    EXPECT_EQ(meet(key, 0), 0);
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST(CNode, WhoWaitsInVainForTheOthersHearsSoInTheirTime) {
    const std::string key = "c node test, alone " + std::to_string(::getpid());
    onecopy_node* node = nullptr;
    onecopy_node_options options = ONECOPY_NODE_OPTIONS;
    options.key = key.c_str();
    options.size = 2;
    options.timeout_ms = 20;
    EXPECT_EQ(onecopy_node_open(&options, &node), -ETIMEDOUT);
    options.rank = 2;
    EXPECT_EQ(onecopy_node_open(&options, &node), -EINVAL);
}

/// Of a thread that waits in vain.
struct Waiter {
    std::string key = "c node test, cancelled " + std::to_string(::getpid());
    std::atomic<bool> started{false};
    int answer = 0;
};

void* wait_in_vain(void* argument) {
    auto& waiter = *static_cast<Waiter*>(argument);
    onecopy_node* node = nullptr;
    onecopy_node_options options = ONECOPY_NODE_OPTIONS;
    options.key = waiter.key.c_str();
    options.size = 2;
    options.timeout_ms = 200;
    waiter.started = true;
    waiter.answer = onecopy_node_open(&options, &node);
    ::pthread_testcancel();
    return nullptr;
}

TEST(CNode, AThreadThatIsCancelledInACallEndsWhenThatHasReturned) {
    Waiter waiter;
    pthread_t thread{};
    ASSERT_EQ(::pthread_create(&thread, nullptr, wait_in_vain, &waiter), 0);
    while (!waiter.started) ::sched_yield();
    ::pthread_cancel(thread);
    void* end = nullptr;
    ::pthread_join(thread, &end);
    EXPECT_EQ(end, PTHREAD_CANCELED);
    EXPECT_EQ(waiter.answer, -ETIMEDOUT);
}

TEST(CNode, IsNotClosedBeforeItsHandlesAreFreed) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        onecopy_node* node = own.node;
        int number = 0;
        onecopy_comm* comm = nullptr;
        EXPECT_EQ(onecopy_comm_dup(own.world, &comm), 0);
        EXPECT_EQ(onecopy_node_close(&node), -EBUSY);
        EXPECT_EQ(node, own.node);
        EXPECT_EQ(onecopy_comm_free(&comm), 0);
        EXPECT_EQ(comm, nullptr);

        onecopy_request* request = nullptr;
        EXPECT_EQ(onecopy_irecv(own.world, &number, sizeof number, 0, 0, &request), 0);
        EXPECT_EQ(onecopy_node_close(&node), -EBUSY);
        EXPECT_EQ(onecopy_request_free(&request), 0);
        EXPECT_EQ(request, nullptr);

        onecopy_message* message = nullptr;
        EXPECT_EQ(onecopy_send(own.world, &number, sizeof number, 0, 0), 0);
        EXPECT_EQ(onecopy_mprobe(own.world, 0, 0, &message, nullptr), 0);
        EXPECT_EQ(onecopy_node_close(&node), -EBUSY);
        EXPECT_EQ(onecopy_message_free(&message), 0);
        EXPECT_EQ(message, nullptr);

        onecopy_view* view = nullptr;
        EXPECT_EQ(onecopy_send(own.world, &number, sizeof number, 0, 0), 0);
        EXPECT_EQ(onecopy_recv_view(own.world, 0, 0, &view, nullptr), 0);
        EXPECT_EQ(onecopy_node_close(&node), -EBUSY);
        EXPECT_EQ(onecopy_view_free(&view), 0);
        EXPECT_EQ(view, nullptr);
    });
}

TEST(CNode, BlocksOfTheArenaAreFreedOnce) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        std::vector<void*> blocks;
        for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{70}, large}) {
            blocks.push_back(onecopy_node_alloc(own.node, bytes));
            ASSERT_NE(blocks.back(), nullptr);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks.back()) % 64, 0U);
            std::memset(blocks.back(), 1, bytes);
        }
        for (void* const block : blocks) {
            EXPECT_EQ(onecopy_node_free(own.node, static_cast<char*>(block) + 8), -EINVAL);
            EXPECT_EQ(onecopy_node_free(own.node, block), 0);
            EXPECT_EQ(onecopy_node_free(own.node, block), -EINVAL);
        }
        EXPECT_EQ(onecopy_node_free(own.node, nullptr), 0);
        for (const std::size_t bytes : {SIZE_MAX, SIZE_MAX / 2}) {
            errno = 0;
            EXPECT_EQ(onecopy_node_alloc(own.node, bytes), nullptr);
            EXPECT_EQ(errno, ENOMEM);
        }
    });
}

TEST(CNode, TheCountersAreThoseOfAsManyFieldsAsAskedFor) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        const std::span block = own.block(large);
        if (own.rank == 0) {
            EXPECT_EQ(onecopy_send(own.world, block.data(), 8, 1, 0), 0);
            EXPECT_EQ(onecopy_send(own.world, block.data(), large, 1, 0), 0);
        } else {
            EXPECT_EQ(onecopy_recv(own.world, block.data(), 8, 0, 0, nullptr), 0);
            EXPECT_EQ(onecopy_recv(own.world, block.data(), large, 0, 0, nullptr), 0);
        }
        onecopy_counters all;
        EXPECT_EQ(onecopy_node_counters(own.node, &all, sizeof all), 0);
        EXPECT_EQ(all.eager_messages, own.rank == 0 ? 1U : 0U);
        EXPECT_EQ(all.large_messages, own.rank == 0 ? 0U : 1U);
        EXPECT_EQ(all.called_bytes + all.staged_bytes, 0U);

        std::array<onecopy_counters, 2> two;
        std::memset(two.data(), 0xff, sizeof two);
        EXPECT_EQ(onecopy_node_counters(own.node, two.data(), 8), 0);
        EXPECT_EQ(two[0].eager_messages, all.eager_messages);
        EXPECT_EQ(two[0].large_messages, UINT64_MAX);
        EXPECT_EQ(onecopy_node_counters(own.node, two.data(), sizeof two), 0);
        EXPECT_EQ(two[0].large_messages, all.large_messages);
        EXPECT_EQ(two[1].sleeps, 0U);
        EXPECT_EQ(onecopy_node_counters(own.node, nullptr, 8), -EINVAL);
        EXPECT_EQ(onecopy_node_counters(own.node, two.data(), SIZE_MAX), -E2BIG);
    });
}

}  // namespace
}  // namespace onecopy::test
