// Waiting for messages in poll(2).
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <thread>
#include <vector>

#include "onecopy/communicator.hpp"
#include "ranks.hpp"
#include "support/child.hpp"

namespace onecopy {
namespace {

bool polls_readable(int fd, int timeout_ms = test::deadlock_guard_ms) {
    pollfd one{fd, POLLIN, 0};
    return ::poll(&one, 1, timeout_ms) == 1 && (one.revents & POLLIN) != 0;
}

TEST(NativeHandle, PollsReadableForEachMessageAndNotWithoutOne) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        constexpr int rounds = 300;
        if (world.rank() == 1) {
            for (int i = 0; i < rounds; ++i) {
                std::byte answer{};
                if (i % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
                std::vector<std::byte> message(i % 3 == 0 ? 50'000U : 8U);
                Request request = world.isend(message, 0, i);
                world.recv(Segment(&answer, 1), 0, i);
                request.wait();
            }
            return;
        }
        const int fd = world.native_handle();
        EXPECT_EQ(fd, world.native_handle());
        for (int i = 0; i < rounds; ++i) {
            std::optional<Status> found;
            while (!(found = world.iprobe(1, i))) {
                ASSERT_TRUE(polls_readable(fd)) << i;
            }
            std::vector<std::byte> message(static_cast<std::size_t>(found->bytes));
            world.recv(message, 1, i);
            std::byte answer{};
            // Nothing is there and nothing comes before we answer; but what we know already may be
            // told once more, and then looking once more is enough.
            bool readable = true;
            for (int looks = 0; readable && looks < 100; ++looks) {
                ASSERT_FALSE(world.iprobe(1, any_tag)) << i;
                readable = polls_readable(fd, 0);
            }
            EXPECT_FALSE(readable) << i;
            world.send(Segment(&answer, 1), 1, i);
        }
    });
}

TEST(NativeHandle, PollsReadableWhenARankDies) {
    test::Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        world.barrier();
        if (world.rank() == 1) {
            std::this_thread::sleep_for(std::chrono::milliseconds(30));
            ::raise(SIGKILL);
        }
        const int fd = world.native_handle();
        std::error_code error;
        while (!error) {
            EXPECT_FALSE(world.iprobe(1, 0, error).has_value());
            if (!error) {
                ASSERT_TRUE(polls_readable(fd));
            }
        }
        EXPECT_EQ(error, Errc::peer_died);
    });
    EXPECT_TRUE(ranks.wait().all_right({0}));
}

TEST(NativeHandle, ARequestsEndIsNews) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        std::vector<std::byte> message(200'000);
        if (world.rank() == 0) {
            const int fd = world.native_handle();
            Request request = world.isend(message, 1, 0);
            while (!request.test()) {
                ASSERT_TRUE(polls_readable(fd));
            }
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(30));
            world.recv(message, 0, 0);
        }
        world.barrier();
    });
}

}  // namespace
}  // namespace onecopy
