// Ranks that die or leave with a window open: the others hear of it, and nobody hangs.
#include "windows.hpp"

namespace onecopy::test {
namespace {

/// Until it fails, which it must by itself.
template <class Act>
std::error_code until_error(const Act& act) {
    std::error_code error;
    while (!error) act(error);
    return error;
}

/// Rank `last` goes on when all others are here: they wait for nobody.
void let_all_come(Node& node, int last) {
    std::byte token{};
    if (node.rank() != last) return node.world().send(std::span(&token, 1), last);
    for (int i = 1; i < node.size(); ++i) node.world().recv(std::span(&token, 1));
}

TEST(WindowDeaths, WhoWaitsForALockOfTheDeadHearsOfIt) {
    for (const LockType type : {LockType::shared, LockType::exclusive}) {
        Ranks ranks(4, [type](Node& node) {
            AnyWindow any(node, From::allocate, 64);
            if (node.rank() == 1) {
                any.window.lock(LockType::exclusive, 0);
                set<int>(any.window, 0, 0, 1);
                let_all_come(node, 1);
                ::usleep(5'000);  // most often the others wait by then
                die();
            }
            while (at<int>(any.window, 0, 0) == 0) ::usleep(100);
            let_all_come(node, 1);
            std::error_code error;
            any.window.lock(type, 0, error);
            EXPECT_EQ(error, Errc::peer_died);
            any.window.unlock(0, error);
            EXPECT_EQ(error, Errc::peer_died);
        });
        EXPECT_TRUE(end_well(ranks, {0, 2, 3}));
    }
}

TEST(WindowDeaths, WhoWaitsForAllLocksHearsOfIt) {
    Ranks ranks(3, [](Node& node) {
        AnyWindow any(node, From::allocate, 64);
        if (node.rank() == 1) {
            any.window.lock(LockType::exclusive, 1);
            set<int>(any.window, 0, 0, 1);
            let_all_come(node, 1);
            ::usleep(5'000);
            die();
        }
        while (at<int>(any.window, 0, 0) == 0) ::usleep(100);
        let_all_come(node, 1);
        std::error_code error;
        if (node.rank() == 0) any.window.lock_all(error);
        if (node.rank() == 2) any.window.lock(LockType::exclusive, 1, error);
        EXPECT_EQ(error, Errc::peer_died);
    });
    EXPECT_TRUE(end_well(ranks, {0, 2}));
}

/// A function that dies while it has the elements.
void fall_dead(const void*, const void*, void*, std::size_t, void*) { die(); }

TEST(WindowDeaths, WhoDiesInAnAccumulateLeavesNobodyWaiting) {
    for (const From from : every_kind) {
        Ranks ranks(4, [from](Node& node) {
            AnyWindow any(node, from, 64);
            Window& window = any.window;
            const std::array<std::byte, 24> operand{};
            let_all_come(node, 2);
            if (node.rank() == 2) {
                window.accumulate(operand, 0, 0, Function{&fall_dead, 24, nullptr});
            }
            const std::complex<double> one(1, 0);
            const auto error = until_error([&](std::error_code& found) {
                window.accumulate(std::as_bytes(std::span(&one, 1)), 0, 0,
                                  Reduction(Op::sum, Type::complex_double), found);
                if (!found) window.flush(2, found);
            });
            EXPECT_EQ(error, Errc::peer_died);
        });
        EXPECT_TRUE(end_well(ranks, {0, 1, 3}));
    }
}

TEST(WindowDeaths, AFenceAndTheEndOfAWindowHearOfIt) {
    for (const From from : every_kind) {
        Ranks ranks(5, [from](Node& node) {
            AnyWindow any(node, from, 64);
            let_all_come(node, 3);
            if (node.rank() == 3) die();
            const auto error =
                until_error([&](std::error_code& found) { any.window.fence(found); });
            EXPECT_EQ(error, Errc::peer_died);
            std::error_code again;
            set<int>(any.window, 3, 0, 1, again);
            EXPECT_EQ(again, Errc::peer_died);
        });
        EXPECT_TRUE(end_well(ranks, {0, 1, 2, 4}));
    }
}

TEST(WindowDeaths, WhoOnlyPutsHearsOfItByAFlush) {
    for (const From from : every_kind) {
        Ranks ranks(2, [from](Node& node) {
            AnyWindow any(node, from, 64);
            let_all_come(node, 1);
            if (node.rank() == 1) die();
            const auto error = until_error([&](std::error_code& found) {
                set<int>(any.window, 1, 0, 1, found);
                if (!found) any.window.flush(1, found);
            });
            EXPECT_EQ(error, Errc::peer_died);
        });
        EXPECT_TRUE(end_well(ranks, {0}));
    }
}

TEST(WindowDeaths, WhoWaitsForStartOrWaitHearsOfIt) {
    Ranks ranks(3, [](Node& node) {
        AnyWindow any(node, From::allocate, 64);
        let_all_come(node, 2);
        if (node.rank() == 2) die();
        const std::array<int, 1> dead{2};
        std::error_code error;
        if (node.rank() == 0) {
            any.window.start(dead, error);
        } else {
            any.window.post(dead, error);
            any.window.wait(error);
        }
        EXPECT_EQ(error, Errc::peer_died);
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}

TEST(WindowDeaths, WhoMakesAWindowWithTheDeadHearsOfIt) {
    for (const bool first : {true, false}) {
        for (const int dead : {0, 1, 3}) {
            Ranks ranks(4, [=](Node& node) {
                if (!first) AnyWindow(node, From::allocate, 64);
                let_all_come(node, dead);
                if (node.rank() == dead) die();
                try {
                    AnyWindow(node, From::allocate, 64);
                    ADD_FAILURE() << "there is a window";
                } catch (const std::system_error& error) {
                    const bool right =
                        error.code() == Errc::peer_died || error.code() == Errc::peer_left;
                    EXPECT_TRUE(right) << error.what();
                }
            });
            std::vector<int> living{0, 1, 2, 3};
            std::erase(living, dead);
            EXPECT_TRUE(end_well(ranks, living));
        }
    }
}

TEST(WindowDeaths, WhoLeavesWithAWindowOpenIsMissed) {
    Ranks ranks(3, [](Node& node) {
        auto any = std::make_unique<AnyWindow>(node, From::allocate, 64);
        let_all_come(node, 1);
        if (node.rank() == 1) {
            static_cast<void>(any.release());
            return;  // wrong, and so no success
        }
        std::error_code error;
        any->window.fence(error);
        EXPECT_EQ(error, Errc::peer_left);
    });
    EXPECT_TRUE(end_well(ranks, {0, 2}));
}

TEST(WindowDeaths, SurvivorsGoOnWithAWindowOfTheirOwn) {
    Ranks ranks(4, [](Node& node) {
        Communicator survivors;
        {
            AnyWindow any(node, From::allocate, 1 << 20);
            let_all_come(node, 2);
            if (node.rank() == 2) die();
            until_error([&](std::error_code& found) { any.window.fence(found); });
        }
        survivors = node.world().shrink();
        ASSERT_EQ(survivors.size(), 3);
        for (int i = 0; i < 50; ++i) {
            AnyWindow any(node, survivors, From::allocate, 64);
            any.window.fetch_and_op(1, i % 3, 0, Op::sum);
            any.window.fence();
            EXPECT_EQ(own<int>(any.window)[0], survivors.rank() == i % 3 ? 3 : 0);
            any.window.fence();
        }
    });
    EXPECT_TRUE(end_well(ranks, {0, 1, 3}));
}

/// At any moment of locks, accumulates and fences.
TEST(WindowDeaths, ARankMayBeKilledAtAnyMoment) {
    const int rounds =
        std::getenv("ONECOPY_ROUNDS") != nullptr ? std::atoi(std::getenv("ONECOPY_ROUNDS")) : 25;
    for (int round = 0; round < rounds; ++round) {
        const From from = every_kind[static_cast<std::size_t>(round % 3)];
        const os::Mapping shared(4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
        auto* const came = reinterpret_cast<std::atomic<int>*>(shared.data());
        Ranks ranks(4, [from, came](Node& node) {
            AnyWindow any(node, from, 4096);
            Window& window = any.window;
            const std::vector<std::complex<float>> some(100, {1, 2});
            const std::vector<std::complex<double>> more(100, {1, 2});
            int step = node.rank();
            let_all_come(node, 0);
            if (node.rank() == 0) came->store(1);
            const auto error = until_error([&](std::error_code& found) {
                const int to = step++ % 4;
                const auto add = [&](const auto& list, Type type) {
                    if (found) return;
                    window.accumulate(std::as_bytes(std::span(list)), to, 0,
                                      Reduction(Op::sum, type), found);
                };
                window.lock(to == 0 ? LockType::shared : LockType::exclusive, to, found);
                add(some, Type::complex_float);
                add(more, Type::complex_double);
                if (!found) window.unlock(to, found);
                if (!found && step % 8 == 0) window.lock_all(found);
                add(more, Type::complex_double);
                if (!found && step % 8 == 0) window.unlock_all(found);
                if (!found && step % 16 == 15) window.flush_all(found);
            });
            EXPECT_EQ(error, Errc::peer_died);
        });
        while (came->load() == 0) ::usleep(100);
        ::usleep(static_cast<useconds_t>(977 * round));
        ::kill(ranks.pid(round % 4), SIGKILL);
        std::vector<int> living{0, 1, 2, 3};
        std::erase(living, round % 4);
        EXPECT_TRUE(end_well(ranks, living)) << round;
    }
}

}  // namespace
}  // namespace onecopy::test
