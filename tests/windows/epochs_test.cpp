// Fences, locks and the other ways to say when others may look.
#include "windows.hpp"
#include "windows/state.hpp"

namespace onecopy::test {
namespace {

TEST(Epochs, AFenceShowsEverybodyWhatAllHaveDone) {
    for (const int ranks : {2, 3, 5, 8}) {
        EXPECT_RANKS(ranks, [ranks](Node& node) {
            AnyWindow any(node, From::allocate, sizeof(int) * 8);
            Window& window = any.window;
            for (int round = 1; round <= 200; ++round) {
                for (int to = 0; to < ranks; ++to) {
                    set<int>(window, to, static_cast<std::size_t>(node.rank()), round);
                }
                window.fence();
                for (int from = 0; from < ranks; ++from) {
                    ASSERT_EQ(own<int>(window)[static_cast<std::size_t>(from)], round);
                }
                window.fence();
            }
        });
    }
}

/// Two numbers that only who has the lock sees different.
void read_both(Window& window, int target) {
    const int first = at<int>(window, target, 0);
    const int second = at<int>(window, target, 1);
    EXPECT_EQ(first, second);
}
void add_to_both(Window& window, int target) {
    const int first = at<int>(window, target, 0);
    set<int>(window, target, 0, first + 1);
    window.flush(target);
    const int second = at<int>(window, target, 1);
    EXPECT_EQ(second, first);
    set<int>(window, target, 1, second + 1);
}

TEST(Epochs, AnExclusiveLockKeepsEverybodyElseOut) {
    for (const From from : every_kind) {
        EXPECT_RANKS(4, [from](Node& node) {
            constexpr int rounds = 300;
            AnyWindow any(node, from, 64);
            Window& window = any.window;
            for (int i = 0; i < rounds; ++i) {
                const int target = i % 2;
                if (i % 10 == 9) {
                    window.lock_all();
                    read_both(window, 0);
                    read_both(window, 1);
                    window.unlock_all();
                }
                if (i % 5 == 4) {
                    window.lock(LockType::shared, target);
                    read_both(window, target);
                } else {
                    window.lock(LockType::exclusive, target);
                    add_to_both(window, target);
                }
                window.unlock(target);
            }
            window.fence();
            for (const int target : {0, 1}) {
                EXPECT_EQ(at<int>(window, target, 0), 4 * rounds * 4 / 5 / 2);
                read_both(window, target);
            }
        });
    }
}

TEST(Epochs, ManyRanksOnFewCoresGetTheLockAllTheSame) {
    EXPECT_RANKS(24, [](Node& node) {
        constexpr int rounds = 20;
        AnyWindow any(node, From::allocate, 64);
        Window& window = any.window;
        for (int i = 0; i < rounds; ++i) {
            window.lock(LockType::exclusive, 0);
            add_to_both(window, 0);
            window.unlock(0);
        }
        window.fence();
        EXPECT_EQ(at<int>(window, 0, 0), 24 * rounds);
    });
}

TEST(Epochs, ALockIsSharedByThoseWhoAskForThat) {
    EXPECT_RANKS(3, [](Node& node) {
        AnyWindow any(node, From::allocate, 64);
        any.window.lock(LockType::shared, 0);
        node.world().barrier();  // all have it at once
        any.window.unlock(0);
        any.window.lock_all();
        node.world().barrier();
        any.window.unlock_all();
        // Single shared ones and those of all targets go together.
        if (node.rank() == 1) any.window.lock(LockType::shared, 0);
        if (node.rank() != 1) any.window.lock_all();
        node.world().barrier();
        if (node.rank() == 1) any.window.unlock(0);
        if (node.rank() != 1) any.window.unlock_all();
    });
}

TEST(Epochs, ExclusiveLocksOfDifferentTargetsAreHeldAtOnce) {
    EXPECT_RANKS(3, [](Node& node) {
        AnyWindow any(node, From::allocate, 64);
        any.window.lock(LockType::exclusive, node.rank());
        node.world().barrier();
        any.window.unlock(node.rank());
        if (node.rank() == 0) {
            for (const int target : {0, 1, 2}) any.window.lock(LockType::exclusive, target);
            add_to_both(any.window, 2);
            for (const int target : {1, 0, 2}) any.window.unlock(target);
        }
        any.window.fence();
        any.window.lock_all();
        node.world().barrier();
        any.window.unlock_all();
    });
}

/// Rank 1 holds target 1 and wants target 0 when rank 0 waits for all.
TEST(Epochs, WhoWaitsForAllTargetsHoldsNoneMeanwhile) {
    EXPECT_RANKS(3, [](Node& node) {
        AnyWindow any(node, From::allocate, 64);
        Window& window = any.window;
        if (node.rank() == 1) {
            window.lock(LockType::exclusive, 1);
            node.world().barrier();
            ::usleep(20'000);  // by now rank 0 waits
            window.lock(LockType::exclusive, 0);
            window.unlock(0);
            window.unlock(1);
        } else {
            node.world().barrier();
            if (node.rank() == 0) window.lock_all();
            if (node.rank() == 0) window.unlock_all();
        }
    });
}

TEST(Epochs, NeitherThoseWhoLockAllNorTheOthersStarve) {
    EXPECT_RANKS(4, [](Node& node) {
        AnyWindow any(node, From::allocate, 64);
        Window& window = any.window;
        // Each kind goes on until the other one has had its share.
        const bool all = node.rank() < 2;
        constexpr int share = 30;
        int rounds = 0;
        const auto done = [&](std::size_t kind) {
            return window.fetch_and_op(0, 0, kind * 4, Op::no_op) >= 2 * share;
        };
        while (!done(0) || !done(1)) {
            if (all) {
                window.lock_all();
                window.unlock_all();
            } else {
                window.lock(LockType::exclusive, node.rank());
                window.unlock(node.rank());
            }
            if (rounds++ < share) window.fetch_and_op(1, 0, all ? 0 : 4, Op::sum);
        }
    });
}

TEST(Epochs, WhatIsExposedIsCompletedByThoseItWasExposedTo) {
    for (const From from : every_kind) {
        EXPECT_RANKS(4, [from](Node& node) {
            AnyWindow any(node, from, sizeof(int) * 4);
            Window& window = any.window;
            const int rank = node.rank(), left = (rank + 3) % 4, right = (rank + 1) % 4;
            const std::array<int, 2> both{left, right};
            for (int round = 1; round <= 100; ++round) {
                // Everybody is a target of his neighbours, and an origin.
                window.post(both);
                window.start(both);
                for (const int to : both) {
                    set<int>(window, to, static_cast<std::size_t>(rank), round);
                }
                window.complete();
                window.wait();
                ASSERT_EQ(own<int>(window)[static_cast<std::size_t>(left)], round);
                ASSERT_EQ(own<int>(window)[static_cast<std::size_t>(right)], round);
            }
            // One to many, and nobody else waits.
            const std::array<int, 3> others{1, 2, 3};
            const std::array<int, 1> first{0};
            if (rank == 0) {
                window.post(others);
                std::error_code error;
                window.post(first, error);
                EXPECT_EQ(error, std::errc::invalid_argument);
                window.wait();
                for (const std::size_t from_rank : {1U, 2U, 3U}) {
                    EXPECT_EQ(own<int>(window)[from_rank], -1);
                }
            } else {
                window.start(first);
                set<int>(window, 0, static_cast<std::size_t>(rank), -1);
                window.complete();
            }
        });
    }
}

TEST(Epochs, TwoWindowsOfOneCommunicatorDoNotMeet) {
    EXPECT_RANKS(2, [](Node& node) {
        AnyWindow one(node, From::allocate, 8), two(node, From::allocate, 8);
        const std::array<int, 1> other{1 - node.rank()};
        if (node.rank() == 0) {
            one.window.post(other);
            two.window.post(other);
            two.window.wait();
            EXPECT_EQ(own<int>(two.window)[0], 2);
            one.window.wait();
            EXPECT_EQ(own<int>(one.window)[0], 1);
        } else {
            two.window.start(other);
            set<int>(two.window, 0, 0, 2);
            two.window.complete();
            one.window.start(other);
            set<int>(one.window, 0, 0, 1);
            one.window.complete();
        }
    });
}

TEST(Epochs, ItsMessagesAreNeverAUsersMessages) {
    // A window's messages are its own: any_source never takes one.
    EXPECT_RANKS(2, [](Node& node) {
        AnyWindow any(node, From::allocate, 8);
        const std::array<int, 1> other{1 - node.rank()};
        any.window.post(other);
        int number = node.rank();
        node.world().send(std::span(&number, 1), other[0]);
        const Status status = node.world().recv(std::span(&number, 1));
        EXPECT_EQ(status.bytes, sizeof number);
        EXPECT_EQ(number, other[0]);
        any.window.start(other);
        any.window.complete();
        any.window.wait();
    });
}

}  // namespace
}  // namespace onecopy::test
