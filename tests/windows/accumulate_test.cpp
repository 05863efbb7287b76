// Accumulates: what they compute, and that no rank's gets lost among the others'.
#include <complex>

#include "windows.hpp"

namespace onecopy::test {
namespace {

/// Every operation on every type, at good and bad addresses, as combine() does it.
TEST(Accumulate, EveryOperationOnEveryTypeIsWhatCombineSays) {
    for (const From from : every_kind) {
        EXPECT_RANKS(2, [from](Node& node) {
            constexpr std::size_t room = 4096, count = 77;
            AnyWindow any(node, from, room);
            Window& window = any.window;
            for (int op = 1; op <= static_cast<int>(Op::no_op); ++op) {
                for (int type = 1; type <= static_cast<int>(Type::double_double); ++type) {
                    const Reduction how(static_cast<Op>(op), static_cast<Type>(type));
                    const std::size_t bytes = count * size_of(how.type);
                    if (!allowed(how.op, how.type)) continue;
                    for (const std::size_t offset : {std::size_t{0}, size_of(how.type) + 1}) {
                        test::fill(window.memory(), static_cast<unsigned>(op * 100 + type));
                        window.fence();
                        if (window.rank() == 0) {
                            // Small numbers and ones: no padding that means anything.
                            std::vector<std::byte> operand(bytes), old(bytes), result(bytes),
                                before(bytes);
                            for (std::size_t i = 0; i < bytes; ++i) {
                                operand[i] = std::byte(i % 3 == 0 ? 1 : 0);
                            }
                            window.get(old, 1, offset);
                            if (how.type == Type::boolean) {
                                for (std::byte& each : old) each &= std::byte{1};
                                window.put(old, 1, offset);
                            }
                            result = old;
                            EXPECT_FALSE(combine(how.op, how.type, result.data(), operand.data(),
                                                 result.data(), count));
                            window.get_accumulate(operand, before, 1, offset, how);
                            EXPECT_EQ(before, old);
                            window.get(before, 1, offset);
                            EXPECT_EQ(before, result) << op << ' ' << type << ' ' << offset;
                            window.accumulate(operand, 1, offset, how);
                            EXPECT_FALSE(combine(how.op, how.type, result.data(), operand.data(),
                                                 result.data(), count));
                            window.get(before, 1, offset);
                            EXPECT_EQ(before, result) << op << ' ' << type << ' ' << offset;
                        }
                        window.fence();
                    }
                }
            }
        });
    }
}

/// A caller's function that combines elements one by one, wherever they are.
template <class T, T (*combine)(T left, T right)>
Function function_of() {
    return {[](const void* left, const void* right, void* result, std::size_t count, void*) {
                for (std::size_t i = 0; i < count * sizeof(T); i += sizeof(T)) {
                    T a{}, b{};
                    std::memcpy(&a, static_cast<const std::byte*>(left) + i, sizeof a);
                    std::memcpy(&b, static_cast<const std::byte*>(right) + i, sizeof b);
                    a = combine(a, b);
                    std::memcpy(static_cast<std::byte*>(result) + i, &a, sizeof a);
                }
            },
            sizeof(T), nullptr};
}

template <class T>
T add(T left, T right) {
    return static_cast<T>(left + right);
}
/// Of 24 bytes or 8.
template <class T>
T add_modulo(T left, T right) {
    for (std::size_t i = 0; i < left.size(); ++i) left[i] = (left[i] + right[i]) % 1000;
    return left;
}

template <class T>
void expect_functions_do_not_get_lost(From from, std::size_t offset) {
    EXPECT_RANKS(4, [from, offset](Node& node) {
        constexpr int rounds = 500;
        AnyWindow any(node, from, 200);
        Window& window = any.window;
        const Function function = function_of<T, add_modulo<T>>();
        std::array<T, 3> ones{};
        for (T& each : ones) each.fill(1);
        for (int i = 0; i < rounds; ++i) {
            window.accumulate(std::as_bytes(std::span(ones)), 1, offset, function);
        }
        window.fence();
        std::array<T, 3> sum{}, expected{};
        for (T& each : expected) each.fill(4 * rounds % 1000);
        window.get(sum, 1, offset);
        EXPECT_EQ(sum, expected);
    });
}
TEST(Accumulate, NoCallOfAFunctionGetsLost) {
    for (const From from : every_kind) {
        expect_functions_do_not_get_lost<std::array<std::uint64_t, 1>>(from, 8);
        expect_functions_do_not_get_lost<std::array<std::uint64_t, 1>>(from, 3);
        expect_functions_do_not_get_lost<std::array<std::uint64_t, 3>>(from, 8);
    }
}

TEST(Accumulate, EveryTicketIsDrawnOnce) {
    for (const From from : every_kind) {
        EXPECT_RANKS(4, [from](Node& node) {
            constexpr std::size_t each = 2000;
            AnyWindow any(node, from, 8);
            std::vector<std::uint64_t> drawn;
            for (std::size_t i = 0; i < each; ++i) {
                drawn.push_back(any.window.fetch_and_op(std::uint64_t{1}, 2, 0, Op::sum));
            }
            EXPECT_TRUE(std::is_sorted(drawn.begin(), drawn.end()));
            AnyWindow all(node, From::allocate, 4 * each * sizeof(std::uint64_t));
            all.window.put(drawn, 0, static_cast<std::size_t>(node.rank()) * each * 8);
            all.window.fence();
            if (node.rank() != 0) return;
            const auto list = own<std::uint64_t>(all.window);
            std::vector<std::uint64_t> tickets(list.begin(), list.end());
            std::sort(tickets.begin(), tickets.end());
            for (std::size_t i = 0; i < tickets.size(); ++i) ASSERT_EQ(tickets[i], i);
        });
    }
}

/// Sums, swaps and a function that adds, on one number; by the processor or under the lock, which
/// of the two must not depend on the call.
template <class T>
void expect_mixture_to_add_up(From from, std::size_t offset) {
    EXPECT_RANKS(4, [from, offset](Node& node) {
        constexpr int rounds = 400;
        AnyWindow any(node, from, 64);
        Window& window = any.window;
        const T one = 1;
        const Function adding = function_of<T, add<T>>();
        const auto bytes = std::as_bytes(std::span(&one, 1));
        for (int i = 0; i < rounds; ++i) {
            switch ((i + node.rank()) % 4) {
                case 0:
                    window.accumulate(bytes, 1, offset, adding);
                    break;
                case 1:
                    window.fetch_and_op(one, 1, offset, Op::sum);
                    break;
                case 2:
                    window.accumulate(std::span(&one, 1), 1, offset, Op::sum);
                    break;
                default: {
                    T seen = window.fetch_and_op(T{}, 1, offset, Op::no_op);
                    for (;;) {
                        const T was =
                            window.compare_and_swap(seen, static_cast<T>(seen + one), 1, offset);
                        if (was == seen) break;
                        seen = was;
                    }
                }
            }
        }
        window.fence();
        T sum{};
        window.get(std::span(&sum, 1), 1, offset);
        EXPECT_EQ(sum, static_cast<T>(4 * rounds)) << sizeof(T) << ' ' << offset;
    });
}
TEST(Accumulate, DifferentCallsOnOneElementDoNotGetLost) {
    for (const From from : every_kind) {
        for (const std::size_t offset : {8U, 5U}) {
            expect_mixture_to_add_up<std::uint8_t>(from, offset);
            expect_mixture_to_add_up<std::int16_t>(from, offset);
            expect_mixture_to_add_up<std::uint32_t>(from, offset);
            expect_mixture_to_add_up<std::int64_t>(from, offset);
            expect_mixture_to_add_up<double>(from, offset);
            expect_mixture_to_add_up<std::complex<double>>(from, offset);
        }
    }
}

TEST(Accumulate, LargeOnesOfAllRanksAddUp) {
    for (const From from : every_kind) {
        EXPECT_RANKS(3, [from](Node& node) {
            constexpr std::size_t count = 50'000;
            AnyWindow any(node, from, count * 16 + 16);
            Window& window = any.window;
            const std::vector<double> halves(count, 0.5);
            for (int to = 0; to < 3; ++to) window.accumulate(halves, to, 8, Op::sum);
            window.fence();
            std::vector<double> sums(count);
            window.get(sums, node.rank(), 8);
            EXPECT_EQ(sums, std::vector<double>(count, 1.5));
            window.fence();
            std::fill_n(window.memory().data(), window.memory().size(), std::byte{0});
            window.fence();
            // 16 bytes an element: under the lock, in several turns.
            const std::vector<std::complex<double>> ones(count, {1, -1});
            for (int to = 0; to < 3; ++to) window.accumulate(ones, to, 0, Op::sum);
            window.fence();
            std::vector<std::complex<double>> results(count);
            window.get(results, node.rank(), 0);
            EXPECT_EQ(results, std::vector<std::complex<double>>(count, {3, -3}));
        });
    }
}

TEST(Accumulate, UnderAnExclusiveLockTheyAddUpToo) {
    for (const From from : every_kind) {
        EXPECT_RANKS(3, [from](Node& node) {
            constexpr std::size_t count = 1000;
            AnyWindow any(node, from, count * 8);
            const std::vector<double> ones(count, 1);
            std::vector<double> before(count);
            for (int i = 0; i < 50; ++i) {
                any.window.lock(LockType::exclusive, 1);
                any.window.accumulate(ones, 1, 0, Op::sum);
                any.window.get_accumulate(std::as_bytes(std::span(ones)),
                                          std::as_writable_bytes(std::span(before)), 1, 0,
                                          Reduction(Op::sum, Type::float64));
                any.window.unlock(1);
                EXPECT_EQ(before, std::vector<double>(count, before[0]));
            }
            any.window.fence();
            std::vector<double> sums(count);
            any.window.get(sums, 1, 0);
            EXPECT_EQ(sums, std::vector<double>(count, 300));
        });
    }
}

TEST(Accumulate, ThreadsOfARankDoNotGetInEachOthersWay) {
    NodeOptions options;
    options.threads = true;
    for (const From from : every_kind) {
        EXPECT_RANKS(
            2,
            [from](Node& node) {
                AnyWindow any(node, from, 64);
                Window& window = any.window;
                window.lock(LockType::exclusive, node.rank());
                std::vector<std::thread> threads;
                for (int i = 0; i < 3; ++i) {
                    threads.emplace_back([&] {
                        for (int round = 0; round < 300; ++round) {
                            window.fetch_and_op(1, node.rank(), 0, Op::sum);
                            const std::complex<double> one(1, 0);
                            window.accumulate(std::span(&one, 1), node.rank(), 16, Op::sum);
                        }
                    });
                }
                for (std::thread& each : threads) each.join();
                window.unlock(node.rank());
                window.fence();
                EXPECT_EQ(own<int>(window)[0], 900);
                EXPECT_EQ(own<double>(window)[2], 900);
                window.fence();
            },
            options);
    }
}

}  // namespace
}  // namespace onecopy::test
