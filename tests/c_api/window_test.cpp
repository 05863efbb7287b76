// Windows by C.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "c_ranks.hpp"
#include "onecopy/onecopy_window.h"

namespace onecopy::test {
namespace {

/// Made of each kind, zero at first.
struct CWindow {
    CWindow(const CRank& own, bool allocated, std::size_t bytes) : memory(bytes) {
        if (allocated) {
            EXPECT_EQ(onecopy_window_allocate(own.world, bytes, &window), 0);
            std::memset(onecopy_window_memory(window, nullptr), 0, bytes);
        } else {
            EXPECT_EQ(onecopy_window_create(own.world, memory.data(), bytes, &window), 0);
        }
        EXPECT_EQ(onecopy_fence(window), 0);
    }
    ~CWindow() {
        EXPECT_EQ(onecopy_window_free(&window), 0);
        EXPECT_EQ(window, nullptr);
    }
    CWindow(const CWindow&) = delete;
    CWindow& operator=(const CWindow&) = delete;
    [[nodiscard]] int* numbers() const {
        return static_cast<int*>(onecopy_window_memory(window, nullptr));
    }

    std::vector<std::byte> memory;
    onecopy_window* window = nullptr;
};

TEST(CWindows, MoveBytesBothWays) {
    for (const bool allocated : {true, false}) {
        EXPECT_C_RANKS(2, [allocated](const CRank& own) {
            const CWindow made(own, allocated, 100);
            onecopy_window* const window = made.window;
            const int other = 1 - own.rank;
            std::size_t bytes = 0;
            EXPECT_NE(onecopy_window_memory(window, &bytes), nullptr);
            EXPECT_EQ(bytes, 100U);
            const int sent = 40 + own.rank;
            int got = 0;
            EXPECT_EQ(onecopy_put(window, &sent, sizeof sent, other, 8), 0);
            EXPECT_EQ(onecopy_get(window, &got, sizeof got, other, 8), 0);
            EXPECT_EQ(got, sent);
            EXPECT_EQ(onecopy_fence(window), 0);
            EXPECT_EQ(made.numbers()[2], 40 + other);
            std::array<int, 2> two{1, 2}, back{};
            std::array<iovec, 2> pieces{{{two.data(), 4}, {two.data() + 1, 4}}};
            const std::array<onecopy_run, 2> runs{{{40, 4}, {20, 4}}};
            EXPECT_EQ(onecopy_putv(window, pieces.data(), 2, other, runs.data(), 2), 0);
            pieces = {{{back.data(), 8}, {nullptr, 0}}};
            EXPECT_EQ(onecopy_getv(window, pieces.data(), 2, other, runs.data(), 2), 0);
            EXPECT_EQ(back, two);
            EXPECT_EQ(onecopy_fence(window), 0);
            EXPECT_EQ(made.numbers()[10], 1);
            EXPECT_EQ(made.numbers()[5], 2);
            void* mapped = nullptr;
            const int error = onecopy_window_query(window, other, &mapped, &bytes);
            EXPECT_EQ(error, allocated ? 0 : -EOPNOTSUPP);
            EXPECT_EQ(bytes, allocated ? 100U : 0U);
            EXPECT_EQ(mapped != nullptr, allocated);
            EXPECT_EQ(onecopy_window_sync(window), 0);
        });
    }
}

void add_three(const void* left, const void* right, void* result, std::size_t count,
               void* context) {
    for (std::size_t i = 0; i < count; ++i) {
        std::array<int, 3> a{}, b{};
        std::memcpy(&a, static_cast<const std::byte*>(left) + i * sizeof a, sizeof a);
        std::memcpy(&b, static_cast<const std::byte*>(right) + i * sizeof b, sizeof b);
        for (std::size_t j = 0; j < 3; ++j) a[j] += b[j] * *static_cast<int*>(context);
        std::memcpy(static_cast<std::byte*>(result) + i * sizeof a, &a, sizeof a);
    }
}

TEST(CWindows, AccumulateWithoutLosingAnything) {
    for (const bool allocated : {true, false}) {
        EXPECT_C_RANKS(3, [allocated](const CRank& own) {
            constexpr int rounds = 100;
            const CWindow made(own, allocated, 64);
            onecopy_window* const window = made.window;
            const int one = 1;
            int before = -1, twice = 2;
            for (int i = 0; i < rounds; ++i) {
                EXPECT_EQ(onecopy_accumulate(window, &one, 4, 1, 0, ONECOPY_SUM | ONECOPY_INT32),
                          0);
                EXPECT_EQ(
                    onecopy_fetch_and_op(window, &one, &before, 1, 4, ONECOPY_SUM | ONECOPY_INT32),
                    0);
                EXPECT_GE(before, i);
                int seen = 0;
                EXPECT_EQ(onecopy_get_accumulate(window, nullptr, &seen, 4, 1, 8,
                                                 ONECOPY_NO_OP | ONECOPY_INT32),
                          0);
                for (int was = seen - 1; was != seen;) {
                    const int next = seen + 1;
                    EXPECT_EQ(onecopy_compare_and_swap(window, &seen, &next, &was, 4, 1, 8), 0);
                    if (was == seen) break;
                    seen = was;
                    was = seen - 1;
                }
                const std::array<int, 3> ones{1, 1, 1};
                EXPECT_EQ(onecopy_accumulate_by(window, &ones, 12, 1, 16, add_three, 12, &twice),
                          0);
            }
            EXPECT_EQ(onecopy_fence(window), 0);
            if (own.rank == 1) {
                EXPECT_EQ(made.numbers()[0], 3 * rounds);
                EXPECT_EQ(made.numbers()[1], 3 * rounds);
                EXPECT_EQ(made.numbers()[2], 3 * rounds);
                for (const int i : {4, 5, 6}) EXPECT_EQ(made.numbers()[i], 6 * rounds);
                std::array<int, 3> old{};
                const std::array<int, 3> ones{1, 1, 1};
                EXPECT_EQ(onecopy_get_accumulate_by(window, &ones, &old, 12, 1, 16, add_three, 12,
                                                    &twice),
                          0);
                EXPECT_EQ(old[2], 6 * rounds);
                EXPECT_EQ(made.numbers()[6], 6 * rounds + 2);
            }
        });
    }
}

TEST(CWindows, HaveAllEpochs) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        const CWindow made(own, true, 64);
        onecopy_window* const window = made.window;
        const int other = 1 - own.rank;
        for (int i = 0; i < 100; ++i) {
            EXPECT_EQ(onecopy_lock(window, ONECOPY_LOCK_EXCLUSIVE, 0), 0);
            int number = 0;
            EXPECT_EQ(onecopy_get(window, &number, sizeof number, 0, 0), 0);
            ++number;
            EXPECT_EQ(onecopy_put(window, &number, sizeof number, 0, 0), 0);
            EXPECT_EQ(onecopy_flush(window, 0), 0);
            EXPECT_EQ(onecopy_unlock(window, 0), 0);
            EXPECT_EQ(onecopy_lock_all(window), 0);
            EXPECT_EQ(onecopy_flush_all(window), 0);
            EXPECT_EQ(onecopy_unlock_all(window), 0);
            EXPECT_EQ(onecopy_lock(window, ONECOPY_LOCK_SHARED, 1), 0);
            EXPECT_EQ(onecopy_unlock(window, 1), 0);
        }
        EXPECT_EQ(onecopy_fence(window), 0);
        if (own.rank == 0) {
            EXPECT_EQ(made.numbers()[0], 200);
        }
        EXPECT_EQ(onecopy_window_post(window, &other, 1), 0);
        EXPECT_EQ(onecopy_window_start(window, &other, 1), 0);
        const int sent = 7;
        EXPECT_EQ(onecopy_put(window, &sent, sizeof sent, other, 12), 0);
        EXPECT_EQ(onecopy_window_complete(window), 0);
        EXPECT_EQ(onecopy_window_wait(window), 0);
        EXPECT_EQ(made.numbers()[3], 7);
    });
}

TEST(CWindows, WhatIsWrongIsANumber) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        const CWindow made(own, true, 16);
        onecopy_window* const window = made.window;
        int number = 0, before = 0;
        void* mapped = nullptr;
        constexpr unsigned long sum = ONECOPY_SUM | ONECOPY_INT32;
        EXPECT_EQ(onecopy_put(window, &number, 4, 1, 13), ONECOPY_ERR_BAD_RANGE);
        EXPECT_STREQ(onecopy_error_text(ONECOPY_ERR_BAD_RANGE),
                     "the bytes do not all lie in the target's part of the window");
        EXPECT_EQ(onecopy_get(window, &number, 4, 2, 0), ONECOPY_ERR_BAD_RANK);
        EXPECT_EQ(onecopy_put(nullptr, &number, 4, 1, 0), -EINVAL);
        EXPECT_EQ(onecopy_put(window, nullptr, 4, 1, 0), -EINVAL);
        EXPECT_EQ(onecopy_get(window, nullptr, 4, 1, 0), -EINVAL);
        EXPECT_EQ(onecopy_putv(window, nullptr, 1, 1, nullptr, 0), -EINVAL);
        EXPECT_EQ(onecopy_getv(window, nullptr, 0, 1, nullptr, 1), -EINVAL);
        EXPECT_EQ(onecopy_accumulate(window, &number, 4, 1, 0, 0), -EINVAL);
        EXPECT_EQ(onecopy_accumulate(window, &number, 4, 1, 0, sum | ONECOPY_SOURCE_LEFT), -EINVAL);
        EXPECT_EQ(onecopy_accumulate(window, &number, 3, 1, 0, sum), -EINVAL);
        EXPECT_EQ(onecopy_get_accumulate(window, &number, nullptr, 4, 1, 0, sum), -EINVAL);
        EXPECT_EQ(onecopy_get_accumulate(window, nullptr, &before, 4, 1, 0, sum), -EINVAL);
        EXPECT_EQ(onecopy_fetch_and_op(window, &number, &before, 1, 0, 0), -EINVAL);
        EXPECT_EQ(onecopy_compare_and_swap(window, nullptr, &number, &before, 4, 1, 0), -EINVAL);
        EXPECT_EQ(onecopy_accumulate_by(window, &number, 4, 1, 0, nullptr, 4, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_lock(window, 2, 0), -EINVAL);
        EXPECT_EQ(onecopy_unlock(window, 0), -EINVAL);
        EXPECT_EQ(onecopy_unlock_all(window), -EINVAL);
        EXPECT_EQ(onecopy_window_post(window, nullptr, 1), -EINVAL);
        EXPECT_EQ(onecopy_window_query(window, 0, nullptr, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_window_query(nullptr, 0, &mapped, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_fence(nullptr), -EINVAL);
        EXPECT_EQ(onecopy_window_memory(nullptr, nullptr), nullptr);
        onecopy_window* none = nullptr;
        EXPECT_EQ(onecopy_window_free(&none), 0);
        EXPECT_EQ(onecopy_window_create(own.world, nullptr, 4, &none), -EINVAL);
        EXPECT_EQ(onecopy_window_allocate(nullptr, 4, &none), -EINVAL);
        EXPECT_EQ(onecopy_window_allocate(own.world, 4, nullptr), -EINVAL);
        // A node with a window is not closed.
        onecopy_node* node = own.node;
        EXPECT_EQ(onecopy_node_close(&node), -EBUSY);
        EXPECT_EQ(onecopy_fence(window), 0);
    });
}

TEST(CWindows, ADeathIsANumberToo) {
    Ranks ranks(2, joined([](const CRank& own) {
                    onecopy_window* window = nullptr;
                    ASSERT_EQ(onecopy_window_allocate(own.world, 64, &window), 0);
                    if (own.rank == 1) die();
                    int error = 0;
                    while (error == 0) error = onecopy_fence(window);
                    EXPECT_EQ(error, ONECOPY_ERR_PEER_DIED);
                    EXPECT_EQ(onecopy_window_free(&window), 0);
                }));
    const RankEnds ends = ranks.wait();
    EXPECT_TRUE(ends.all_right({0}));
}

}  // namespace
}  // namespace onecopy::test
