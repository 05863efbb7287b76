// Windows: making and ending them, moving bytes, and what is refused.
#include "windows.hpp"

namespace onecopy::test {
namespace {

const std::vector<std::size_t> sizes = {1, 2, 3, 4, 7, 8, 9, 64, 4096, 65'537, 1'000'000};

TEST(Window, WhatIsPutIsInTheTargetsMemoryAndCanBeGot) {
    for (const From from : every_kind) {
        EXPECT_RANKS(3, [from](Node& node) {
            AnyWindow any(node, from, 1'100'000);
            Window& window = any.window;
            const int to = (window.rank() + 1) % 3;
            for (const std::size_t bytes : sizes) {
                const auto seed = static_cast<unsigned>(bytes) + window.rank();
                std::vector<std::byte> sent(bytes);
                test::fill(sent, seed);
                window.put(sent, to, 5);
                window.fence();
                const auto came = static_cast<unsigned>(bytes) + (window.rank() + 2) % 3;
                EXPECT_TRUE(has_pattern(window.memory().subspan(5, bytes), came));
                EXPECT_EQ(window.memory()[5 + bytes], std::byte{0});
                std::vector<std::byte> got(bytes);
                window.get(got, to, 5);
                EXPECT_TRUE(has_pattern(got, seed));
                window.fence();
                std::fill_n(window.memory().data(), 1'100'000, std::byte{0});
                window.fence();
            }
        });
    }
}

TEST(Window, ListsMoveTheirBytesInOrder) {
    for (const From from : every_kind) {
        EXPECT_RANKS(2, [from](Node& node) {
            AnyWindow any(node, from, 1000);
            Window& window = any.window;
            const std::array<WindowRun, 4> runs{{{0, 10}, {500, 0}, {20, 30}, {90, 5}}};
            if (window.rank() == 0) {
                std::vector<std::byte> sent(45);
                test::fill(sent, 1);
                const std::span all(sent);
                const std::array<ConstSegment, 4> pieces{all.first(3), all.subspan(3, 0),
                                                         all.subspan(3, 40), all.subspan(43)};
                window.put(pieces, 1, runs);
                std::vector<std::byte> got(45);
                const std::span back(got);
                const std::array<Segment, 2> into{back.first(17), back.subspan(17)};
                window.get(into, 1, runs);
                EXPECT_EQ(got, sent);
                std::error_code error;
                window.put(std::span(pieces).first(3), 1, runs, error);
                EXPECT_EQ(error, std::errc::invalid_argument);
            }
            window.fence();
            if (window.rank() == 1) {
                std::vector<std::byte> expected(45);
                test::fill(expected, 1);
                const auto part = [&](std::size_t at, std::size_t bytes) {
                    return std::vector(window.memory().begin() + at,
                                       window.memory().begin() + at + bytes);
                };
                const auto wanted = [&](std::size_t at, std::size_t bytes) {
                    return std::vector(expected.begin() + at, expected.begin() + at + bytes);
                };
                EXPECT_EQ(part(0, 10), wanted(0, 10));
                EXPECT_EQ(part(10, 10), std::vector<std::byte>(10));
                EXPECT_EQ(part(20, 30), wanted(10, 30));
                EXPECT_EQ(part(90, 5), wanted(40, 5));
                EXPECT_EQ(part(95, 905), std::vector<std::byte>(905));
            }
        });
    }
}

TEST(Window, EachRankGivesAsMuchAsItLikes) {
    EXPECT_RANKS(4, [](Node& node) {
        // Rank 0 none, 1 ordinary memory, 2 of the arena, 3 ordinary.
        const int rank = node.rank();
        std::pmr::vector<std::uint32_t> memory(
            static_cast<std::size_t>(rank) * 100,
            rank == 2 ? static_cast<std::pmr::memory_resource*>(&node.arena())
                      : std::pmr::new_delete_resource());
        Window window = Window::create(node.world(), std::as_writable_bytes(std::span(memory)));
        for (int to = 0; to < 4; ++to) {
            EXPECT_EQ(window.bytes(to), static_cast<std::size_t>(to) * 400);
            std::error_code error;
            const Segment mapped = window.query(to, error);
            if (to == 0 || to == 2 || to == rank) {
                EXPECT_FALSE(error);
                EXPECT_EQ(mapped.size(), window.bytes(to));
            } else {
                EXPECT_EQ(error, std::errc::operation_not_supported);
            }
            if (to > 0) window.accumulate(std::vector<std::uint32_t>(100, 1), to, 0, Op::sum);
        }
        window.fence();
        for (std::size_t i = 0; i < memory.size(); ++i) EXPECT_EQ(memory[i], i < 100 ? 4U : 0U);
    });
}

TEST(Window, WhatDoesNotLieInItIsRefusedAndNothingIsTouched) {
    for (const From from : every_kind) {
        EXPECT_RANKS(2, [from](Node& node) {
            AnyWindow any(node, from, 100);
            Window& window = any.window;
            std::vector<std::byte> bytes(101, std::byte{1});
            const std::span all(bytes);
            std::error_code error;
            const auto refused = [&](Errc expected) {
                EXPECT_EQ(error, expected);
                error.clear();
            };
            for (const int to : {0, 1}) {
                window.put(ConstSegment(all), to, 0, error);
                refused(Errc::bad_range);
                window.put(ConstSegment(all.first(1)), to, 100, error);
                refused(Errc::bad_range);
                window.put(ConstSegment(all.first(8)), to, SIZE_MAX - 3, error);
                refused(Errc::bad_range);
                window.get(all, to, 0, error);
                refused(Errc::bad_range);
                const std::array<WindowRun, 2> runs{{{0, 50}, {51, 51}}};
                const std::array<ConstSegment, 1> pieces{all};
                window.put(pieces, to, runs, error);
                refused(Errc::bad_range);
                const Reduction sum(Op::sum, Type::int32);
                window.accumulate(all.first(8), to, 96, sum, error);
                refused(Errc::bad_range);
                window.get_accumulate(all.first(4), all.subspan(4, 4), to, 100, sum, error);
                refused(Errc::bad_range);
                window.compare_and_swap(all.first(4), all.first(4), all.subspan(4, 4), to, 98,
                                        error);
                refused(Errc::bad_range);
            }
            window.put(ConstSegment(all.first(1)), 2, 0, error);
            refused(Errc::bad_rank);
            window.get(all.first(1), -1, 0, error);
            refused(Errc::bad_rank);
            window.lock(LockType::shared, 2, error);
            refused(Errc::bad_rank);
            EXPECT_EQ(bytes, std::vector<std::byte>(101, std::byte{1}));
            window.put(ConstSegment(), 1, 100);
            window.fence();
            EXPECT_EQ(std::count(window.memory().begin(), window.memory().end(), std::byte{0}),
                      100);
        });
    }
}

TEST(Window, WhatMakesNoSenseIsRefused) {
    EXPECT_RANKS(2, [](Node& node) {
        AnyWindow any(node, From::allocate, 64);
        Window& window = any.window;
        std::array<std::byte, 16> bytes{};
        const std::span all(bytes);
        std::error_code error;
        const auto refused = [&] {
            EXPECT_EQ(error, std::errc::invalid_argument);
            error.clear();
        };
        window.accumulate(all.first(7), 1, 0, Reduction(Op::sum, Type::int32), error);
        refused();
        window.accumulate(all, 1, 0, Reduction(Op::band, Type::float64), error);
        refused();
        window.get_accumulate(all.first(8), all.subspan(8, 4), 1, 0,
                              Reduction(Op::sum, Type::int32), error);
        refused();
        window.compare_and_swap(all.first(8), all.first(4), all.subspan(8), 1, 0, error);
        refused();
        window.unlock(1, error);
        refused();
        window.unlock_all(error);
        refused();
        window.lock(LockType::shared, 1);
        window.lock(LockType::exclusive, 1, error);
        refused();
        window.lock_all(error);
        refused();
        window.unlock(1);
        window.lock_all();
        window.lock(LockType::shared, 0, error);
        refused();
        window.unlock_all();
        window.fence();
    });
}

TEST(Window, AnotherArenaThanTheNodesIsRefusedAtAllRanks) {
    EXPECT_RANKS(3, [](Node& node) {
        Arena other({.capacity_bytes = 1 << 20});
        const std::size_t before = node.arena().usage().handed_out;
        try {
            Window::allocate(node.world(), node.rank() == 1 ? other : node.arena(), 1 << 20);
            ADD_FAILURE() << "not refused";
        } catch (const std::system_error& error) {
            EXPECT_EQ(error.code(), std::errc::invalid_argument);
        }
        EXPECT_EQ(node.arena().usage().handed_out, before);
        AnyWindow good(node, From::allocate, 8);
    });
}

TEST(Window, ARankWithoutMemoryIsAnErrorAtAllRanksAndTheNextWindowIsFine) {
    NodeOptions options;
    options.arena_bytes = std::size_t{8} << 20;
    EXPECT_RANKS(
        3,
        [](Node& node) {
            const std::size_t much = node.rank() == 2 ? std::size_t{64} << 20 : 1000;
            try {
                Window::allocate(node.world(), node.arena(), much);
                ADD_FAILURE() << "not refused";
            } catch (const std::system_error& error) {
                EXPECT_EQ(error.code(), std::errc::not_enough_memory);
            }
            AnyWindow good(node, From::allocate, 8);
            set<int>(good.window, (node.rank() + 1) % 3, 0, 7);
            good.window.fence();
            EXPECT_EQ(own<int>(good.window)[0], 7);
        },
        options);
}

TEST(Window, PartsLargerThanAnArenasWindowsAreOneRunOfMemory) {
    NodeOptions options;
    options.arena_bytes = std::size_t{512} << 20;
    EXPECT_RANKS(
        2,
        [](Node& node) {
            constexpr std::size_t bytes = (std::size_t{150} << 20) + 24;
            Window window = Window::allocate(node.world(), node.arena(), bytes);
            const int other = 1 - node.rank();
            const Segment mapped = window.query(other);
            ASSERT_EQ(mapped.size(), bytes);
            for (std::size_t at = 0; at + 8 <= bytes; at += std::size_t{10} << 20) {
                const std::uint64_t value = at + static_cast<std::uint64_t>(node.rank());
                std::memcpy(mapped.data() + at, &value, sizeof value);
            }
            const std::uint64_t last = 77;
            window.put(std::span(&last, 1), other, bytes - 8);
            window.fence();
            std::uint64_t value = 0;
            for (std::size_t at = 0; at + 8 <= bytes; at += std::size_t{10} << 20) {
                std::memcpy(&value, window.memory().data() + at, sizeof value);
                EXPECT_EQ(value, at + static_cast<std::uint64_t>(other));
            }
            std::memcpy(&value, window.memory().data() + bytes - 8, sizeof value);
            EXPECT_EQ(value, 77U);
        },
        options);
}

TEST(Window, ManyOneAfterAnotherUseTheSameMemoryAgain) {
    EXPECT_RANKS(2, [](Node& node) {
        std::uint32_t blocks = 0;
        std::size_t handed_out = 0;
        for (int i = 0; i < 10'000; ++i) {
            {
                Window window = Window::allocate(node.world(), node.arena(), 64);
                set<int>(window, 1 - node.rank(), 3, i);
                window.fence();
                EXPECT_EQ(own<int>(window)[3], i);
            }
            if (i == 100) {
                blocks = node.endpoint().memory().head().taken_blocks.load();
                handed_out = node.arena().usage().handed_out;
            }
        }
        EXPECT_EQ(node.endpoint().memory().head().taken_blocks.load(), blocks);
        EXPECT_EQ(node.arena().usage().handed_out, handed_out);
    });
}

TEST(Window, ManyAtATimeDoNotMeet) {
    EXPECT_RANKS(3, [](Node& node) {
        constexpr int count = 300;
        std::vector<Window> windows;
        Communicator other = node.world().dup();
        for (int i = 0; i < count; ++i) {
            Communicator& ranks = i % 2 == 0 ? node.world() : other;
            windows.push_back(Window::allocate(ranks, node.arena(), 16));
        }
        const int to = (node.rank() + 1) % 3;
        for (int i = 0; i < count; ++i) set<int>(windows[static_cast<std::size_t>(i)], to, 1, i);
        for (Window& window : windows) window.fence();
        for (int i = 0; i < count; ++i) {
            EXPECT_EQ(own<int>(windows[static_cast<std::size_t>(i)])[1], i);
        }
    });
}

TEST(Window, WindowsOfPartsOfTheRanksAreNumberedByThem) {
    EXPECT_RANKS(5, [](Node& node) {
        // The even ones in reverse order, and the odd ones.
        Communicator half = node.world().split(node.rank() % 2, -node.rank());
        for (const From from : every_kind) {
            AnyWindow any(node, half, from, sizeof(int) * 5);
            for (int to = 0; to < half.size(); ++to) {
                set<int>(any.window, to, static_cast<std::size_t>(half.rank()), node.rank() + 1);
            }
            any.window.fence();
            for (int rank = 0; rank < half.size(); ++rank) {
                const int world = half.context().member(rank);
                EXPECT_EQ(own<int>(any.window)[static_cast<std::size_t>(rank)], world + 1);
            }
            any.window.fence();
        }
    });
}

TEST(Window, OneRankAloneHasAWindow) {
    EXPECT_RANKS(1, [](Node& node) {
        AnyWindow any(node, From::ordinary, 16);
        EXPECT_EQ(any.window.fetch_and_op(5, 0, 0, Op::sum), 0);
        any.window.lock(LockType::exclusive, 0);
        EXPECT_EQ(any.window.fetch_and_op(5, 0, 0, Op::sum), 5);
        any.window.unlock(0);
        any.window.fence();
        EXPECT_EQ(own<int>(any.window)[0], 10);
    });
}

TEST(Window, AWindowOfAChildIsLeftAlone) {
    EXPECT_RANKS(2, [](Node& node) {
        auto any = std::make_unique<AnyWindow>(node, From::allocate, 64);
        if (node.rank() == 0) {
            const pid_t child = ::fork();
            if (child == 0) {
                any->window = Window();
                ::_exit(0);
            }
            int status = -1;
            ::waitpid(child, &status, 0);
            EXPECT_EQ(status, 0);
        }
        any->window.fence();
        set<int>(any->window, 1 - node.rank(), 0, 3);
        any->window.fence();
        EXPECT_EQ(own<int>(any->window)[0], 3);
    });
}

TEST(Window, AMovedOneIsTheSame) {
    EXPECT_RANKS(2, [](Node& node) {
        Window first = Window::allocate(node.world(), node.arena(), 64);
        Window second = std::move(first);
        EXPECT_TRUE(first.empty());
        first = Window::allocate(node.world(), node.arena(), 32);
        EXPECT_EQ(first.memory().size(), 32U);
        EXPECT_EQ(second.memory().size(), 64U);
        first = std::move(second);
        EXPECT_EQ(first.bytes(1 - node.rank()), 64U);
        first.fence();
    });
}

}  // namespace
}  // namespace onecopy::test
