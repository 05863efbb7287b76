// Synchronous sends: over when a receive has taken the message, and not before.
// Source: MPI 4.0, section 3.4.
#include <gtest/gtest.h>

#include <csignal>
#include <optional>
#include <utility>
#include <vector>

#include "onecopy/communicator.hpp"
#include "ranks.hpp"
#include "support/memory.hpp"

namespace onecopy::test {
namespace {

constexpr int message_tag = 1, there_tag = 2, go_tag = 3;
const std::vector<std::size_t> sizes = {0, 1, 8, 4096, 4097, 100'000};

/// Rank 0 sends to rank 1, which calls receive(message's bytes) only when rank 0 has seen that the
/// send is not over though the message is there.
template <class Receive>
void send_and_look(Node& node, const Receive& receive) {
    Communicator& world = node.world();
    const char token = 0;
    char got = 0;
    for (const std::size_t bytes : sizes) {
        if (world.rank() == 0) {
            std::vector<std::byte> from(bytes);
            fill(from, 5);
            Request request = world.issend(from, 1, message_tag);
            world.send(std::span(&token, 1), 1, there_tag);
            world.recv(std::span(&got, 1), 1, there_tag);
            for (int i = 0; i < 100; ++i) ASSERT_FALSE(request.test().has_value());
            world.send(std::span(&token, 1), 1, go_tag);
            request.wait();
        } else {
            world.recv(std::span(&got, 1), 0, there_tag);
            world.send(std::span(&token, 1), 0, there_tag);
            receive(world, bytes, [&] { world.recv(std::span(&got, 1), 0, go_tag); });
        }
    }
}

TEST(Synchronous, SendsAreOverWhenTheirMessageIsReceived) {
    EXPECT_RANKS(2, [](Node& node) {
        send_and_look(node, [](Communicator& world, std::size_t bytes, const auto& go) {
            go();
            std::vector<std::byte> to(bytes);
            EXPECT_EQ(world.recv(to, 0, message_tag).bytes, bytes);
            EXPECT_EQ(first_difference(to, 5), bytes);
        });
    });
}

TEST(Synchronous, SendsAreOverWhenTheirMatchedMessageIsReceived) {
    EXPECT_RANKS(2, [](Node& node) {
        send_and_look(node, [](Communicator& world, std::size_t bytes, const auto& go) {
            Message message = world.mprobe(0, message_tag);
            EXPECT_EQ(message.status().bytes, bytes);
            go();
            std::vector<std::byte> to(bytes);
            message.recv(to);
            EXPECT_EQ(first_difference(to, 5), bytes);
        });
    });
}

TEST(Synchronous, SendsAreOverWhenTheirMatchedMessageIsThrownAway) {
    EXPECT_RANKS(2, [](Node& node) {
        send_and_look(node, [](Communicator& world, std::size_t /*bytes*/, const auto& go) {
            std::optional<Message> message = world.mprobe(0, message_tag);
            go();
            message.reset();
        });
    });
}

TEST(Synchronous, SendsAreOverWhenTheirMessageIsSeenInPlace) {
    EXPECT_RANKS(2, [](Node& node) {
        send_and_look(node, [](Communicator& world, std::size_t bytes, const auto& go) {
            go();
            const MessageView view = world.recv_view(0, message_tag);
            EXPECT_EQ(view.bytes().size(), bytes);
            EXPECT_EQ(first_difference(view.bytes(), 5), bytes);
        });
    });
}

TEST(Synchronous, SendsGoToReceivesThatWaitAndToOneself) {
    EXPECT_RANKS(3, [](Node& node) {
        Communicator& world = node.world();
        const int right = (world.rank() + 1) % world.size();
        for (const std::size_t bytes : sizes) {
            for (const int to : {right, world.rank()}) {
                std::vector<std::byte> from(bytes), into(bytes);
                fill(from, 7);
                Request receive = world.irecv(into);
                world.ssend(from, to, message_tag);
                receive.wait();
                EXPECT_EQ(from, into);
            }
            world.barrier();
        }
    });
}

TEST(Synchronous, SendsKeepTheOrderOfAllSends) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        constexpr int count = 300;
        std::vector<int> numbers(count);
        if (world.rank() == 0) {
            std::vector<Request> requests;
            for (int i = 0; i < count; ++i) {
                int& number = numbers[static_cast<std::size_t>(i)];
                number = i;
                const auto bytes = std::span(&number, 1);
                requests.push_back(i % 3 == 0 ? world.issend(bytes, 1) : world.isend(bytes, 1));
            }
            for (const Status& each : wait_all(requests)) EXPECT_FALSE(each.error);
        } else {
            for (int i = 0; i < count; ++i) {
                int number = -1;
                world.recv(std::span(&number, 1), 0);
                EXPECT_EQ(number, i);
            }
        }
    });
}

TEST(Synchronous, SendsToARankThatIsKilledEndWithThat) {
    for (const std::size_t bytes : {std::size_t{8}, std::size_t{100'000}}) {
        Ranks ranks(2, [bytes](Node& node) {
            Communicator& world = node.world();
            std::vector<std::byte> memory(bytes);
            char token = 0;
            if (world.rank() == 1) {
                world.recv(std::span(&token, 1), 0, there_tag);
                die();
            }
            world.send(std::span(&token, 1), 1, there_tag);
            std::error_code error;
            world.ssend(memory, 1, message_tag, error);
            EXPECT_EQ(error, Errc::peer_died);
        });
        EXPECT_TRUE(ranks.wait().all_right({0}));
    }
}

}  // namespace
}  // namespace onecopy::test
