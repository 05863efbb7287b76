// Messages that are read where their sender has them.
#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "onecopy/communicator.hpp"
#include "ranks.hpp"
#include "support/memory.hpp"

namespace onecopy {
namespace {

constexpr std::size_t bytes = 1'000'000;

Segment block_of(Node& node, std::size_t count = bytes) {
    return {static_cast<std::byte*>(node.arena().allocate(count)), count};
}

bool has_pattern(std::span<const std::byte> memory, unsigned seed) {
    return test::first_difference(memory, seed) == memory.size();
}

TEST(MessageView, AnArenasMessageIsReadInPlaceAndTheSenderWaitsForItsEnd) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        if (world.rank() == 0) {
            const Segment block = block_of(node);
            test::fill(block, 1);
            Request request = world.isend(block, 1, 4);
            world.barrier();
            EXPECT_FALSE(request.test().has_value());  // it is being read
            // What is written there now is seen there: nothing was copied.
            block[17] = std::byte{0x5a};
            world.barrier();
            request.wait();
        } else {
            MessageView view = world.recv_view(0, 4);
            EXPECT_TRUE(view.in_place());
            EXPECT_EQ(view.status().bytes, bytes);
            EXPECT_EQ(view.status().tag, 4);
            EXPECT_TRUE(has_pattern(view.bytes(), 1));
            world.barrier();
            world.barrier();
            EXPECT_EQ(view.bytes()[17], std::byte{0x5a});
            MessageView moved = std::move(view);
            EXPECT_EQ(moved.bytes().size(), bytes);
        }
        world.barrier();
    });
}

TEST(MessageView, WhatCannotBeMappedIsACopy) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        std::vector<std::byte> small(100), ordinary(bytes);
        if (world.rank() == 0) {
            test::fill(small, 2);
            test::fill(ordinary, 3);
            world.send(small, 1, 0);
            world.send(ordinary, 1, 0);
            world.send(Segment(), 1, 0);
        } else {
            const MessageView first = world.recv_view();
            EXPECT_FALSE(first.in_place());
            EXPECT_TRUE(has_pattern(first.bytes(), 2));
            const MessageView second = world.recv_view(0, 0);
            EXPECT_FALSE(second.in_place());
            EXPECT_EQ(second.bytes().size(), bytes);
            EXPECT_TRUE(has_pattern(second.bytes(), 3));
            EXPECT_TRUE(world.recv_view(0, 0).bytes().empty());
        }
    });
}

TEST(MessageView, SeveralRanksReadOneBlockAndTheLastOneFreesIt) {
    EXPECT_RANKS(4, [](Node& node) {
        Communicator& world = node.world();
        if (world.rank() == 0) {
            const Segment block = block_of(node);
            test::fill(block, 7);
            std::vector<Request> requests;
            for (int i = 1; i < 4; ++i) requests.push_back(world.isend(block, i, 0));
            for (const Status& status : wait_all(requests)) EXPECT_FALSE(status.error);
            test::fill(block, 8);
            world.barrier();
        } else {
            {
                const MessageView view = world.recv_view(0, 0);
                EXPECT_TRUE(view.in_place());
                for (int i = 0; i < world.rank() * 3; ++i) {
                    EXPECT_TRUE(has_pattern(view.bytes(), 7));
                }
            }
            world.barrier();
        }
    });
}

TEST(MessageView, AReaderThatIsKilledGivesTheBlockBack) {
    test::Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        if (world.rank() == 0) {
            const Segment block = block_of(node);
            Request request = world.isend(block, 1, 0);
            std::error_code error;
            request.wait(error);
            EXPECT_EQ(error, Errc::peer_died);
        } else {
            const MessageView view = world.recv_view(0, 0);
            EXPECT_TRUE(view.in_place());
            ::raise(SIGKILL);
        }
    });
    EXPECT_TRUE(ranks.wait().all_right({0}));
}

TEST(MessageView, OfASenderThatHasDiedStays) {
    test::Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        if (world.rank() == 0) {
            const Segment block = block_of(node);
            test::fill(block, 9);
            Request request = world.isend(block, 1, 0);
            std::byte byte{};
            world.recv(Segment(&byte, 1), 1, 1);
            ::raise(SIGKILL);
        }
        const MessageView view = world.recv_view(0, 0);
        std::byte byte{};
        world.send(Segment(&byte, 1), 0, 1);
        std::error_code error;
        world.recv(Segment(&byte, 1), 0, 2, error);
        EXPECT_EQ(error, Errc::peer_died);
        EXPECT_TRUE(has_pattern(view.bytes(), 9));
    });
    EXPECT_TRUE(ranks.wait().all_right({1}));
}

}  // namespace
}  // namespace onecopy
