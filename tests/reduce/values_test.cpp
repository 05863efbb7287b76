// What combine() promises in so many words, by hand-picked values.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "onecopy/reduce.hpp"

namespace onecopy {
namespace {

template <class T>
T both(Op op, Type type, T left, T right) {
    // Long enough for whole vectors: the first element and one in the remainder must agree.
    constexpr std::size_t count = 67;
    std::vector<unsigned char> a(count * sizeof(T));
    std::vector<unsigned char> b(count * sizeof(T));
    std::vector<unsigned char> c(count * sizeof(T));
    for (std::size_t i = 0; i < count; ++i) {  // bytewise, so that padding is alike too
        std::memcpy(&a[i * sizeof(T)], &left, sizeof(T));
        std::memcpy(&b[i * sizeof(T)], &right, sizeof(T));
    }
    EXPECT_FALSE(combine(op, type, a.data(), b.data(), c.data(), count));
    EXPECT_EQ(std::memcmp(&c[0], &c[(count - 1) * sizeof(T)], sizeof(T)), 0);
    T first;
    std::memcpy(&first, c.data(), sizeof first);
    return first;
}

TEST(ReduceValues, IntegersWrap) {
    EXPECT_EQ(both<std::int8_t>(Op::sum, Type::int8, 127, 1), -128);
    EXPECT_EQ(both<std::int16_t>(Op::prod, Type::int16, -32768, -1), -32768);
    EXPECT_EQ(both<std::uint16_t>(Op::prod, Type::uint16, 65535, 65535), 1);
    EXPECT_EQ(both<std::int32_t>(Op::sum, Type::int32, INT32_MAX, 1), INT32_MIN);
    EXPECT_EQ(both<std::int64_t>(Op::prod, Type::int64, INT64_MIN, -1), INT64_MIN);
    EXPECT_EQ(both<std::uint64_t>(Op::prod, Type::uint64, 0xffffffff00000001, 0x100000001),
              0xffffffff00000001 * 0x100000001);
}

TEST(ReduceValues, SignednessDecidesMinAndMax) {
    EXPECT_EQ(both<std::int64_t>(Op::min, Type::int64, -1, 1), -1);
    EXPECT_EQ(both<std::uint64_t>(Op::min, Type::uint64, UINT64_MAX, 1), 1U);
    EXPECT_EQ(both<std::uint64_t>(Op::max, Type::uint64, UINT64_MAX, 1), UINT64_MAX);
    EXPECT_EQ(both<std::int8_t>(Op::max, Type::int8, -128, 127), 127);
}

TEST(ReduceValues, LogicalOperationsGiveZeroOrOne) {
    EXPECT_EQ(both<std::int32_t>(Op::land, Type::int32, 4, 8), 1);
    EXPECT_EQ(both<std::int32_t>(Op::land, Type::int32, 4, 0), 0);
    EXPECT_EQ(both<std::uint8_t>(Op::lor, Type::uint8, 0, 64), 1);
    EXPECT_EQ(both<std::int64_t>(Op::lxor, Type::int64, 2, INT64_MIN), 0);
    EXPECT_EQ(both<std::int64_t>(Op::lxor, Type::int64, 0, INT64_MIN), 1);
    EXPECT_EQ(both<bool>(Op::lxor, Type::boolean, true, true), false);
    EXPECT_EQ(both<bool>(Op::land, Type::boolean, true, true), true);
}

TEST(ReduceValues, MinAndMaxReturnTheRightOperandIfEqualOrNotANumber) {
    EXPECT_FALSE(std::signbit(both<double>(Op::min, Type::float64, -0.0, 0.0)));
    EXPECT_TRUE(std::signbit(both<double>(Op::max, Type::float64, 0.0, -0.0)));
    const double nan = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(both<double>(Op::min, Type::float64, nan, 1.0), 1.0);
    EXPECT_TRUE(std::isnan(both<double>(Op::max, Type::float64, 1.0, nan)));
    EXPECT_EQ(both<float>(Op::max, Type::float32, static_cast<float>(nan), -1.0F), -1.0F);
    // A half: 0x7e00 is a NaN, 0x8000 and 0x0000 are equal.
    EXPECT_EQ(both<std::uint16_t>(Op::min, Type::float16, 0x7e00, 0x4000), 0x4000);
    EXPECT_EQ(both<std::uint16_t>(Op::max, Type::float16, 0x0000, 0x8000), 0x8000);
}

TEST(ReduceValues, ASumKeepsTheLeftNansPayloadAndMakesItQuiet) {
    const auto left = std::bit_cast<float>(0x7f812345U);  // signalling
    const auto right = std::bit_cast<float>(0xffc54321U);
    const auto bits = [](float value) { return std::bit_cast<std::uint32_t>(value); };
    EXPECT_EQ(bits(both<float>(Op::sum, Type::float32, left, right)), 0x7fc12345U);
    EXPECT_EQ(bits(both<float>(Op::prod, Type::float32, 1.0F, right)), 0xffc54321U);
    const float infinity = std::numeric_limits<float>::infinity();
    EXPECT_EQ(bits(both<float>(Op::sum, Type::float32, infinity, -infinity)), 0xffc00000U);
    EXPECT_EQ(bits(both<float>(Op::prod, Type::float32, infinity, 0.0F)), 0xffc00000U);
}

TEST(ReduceValues, HalvesRoundOnceToNearestEven) {
    // 2048 + 1 lies half-way between 2048 and 2050: to the even 2048. 2050 + 1: up to 2052.
    EXPECT_EQ(both<std::uint16_t>(Op::sum, Type::float16, 0x6800, 0x3c00), 0x6800);
    EXPECT_EQ(both<std::uint16_t>(Op::sum, Type::float16, 0x6801, 0x3c00), 0x6802);
    // 65504 + 16 lies half-way to 65536, which is infinity.
    EXPECT_EQ(both<std::uint16_t>(Op::sum, Type::float16, 0x7bff, 0x4c00), 0x7c00);
    // 256 + 1 in bfloat16, and 258 + 1.
    EXPECT_EQ(both<std::uint16_t>(Op::sum, Type::bfloat16, 0x4380, 0x3f80), 0x4380);
    EXPECT_EQ(both<std::uint16_t>(Op::sum, Type::bfloat16, 0x4381, 0x3f80), 0x4382);
}

TEST(ReduceValues, AComplexProductIsPlainArithmetic) {
    struct Complex {
        double real, imaginary;
    };
    const auto product = both<Complex>(Op::prod, Type::complex_double, {1, 2}, {3, 4});
    EXPECT_EQ(product.real, -5);
    EXPECT_EQ(product.imaginary, 10);
    // Fused into one rounding, the real part of (1+e + i)(1-e + i) with e = 2^-30 would be -e*e.
    const double e = 0x1p-30;
    const auto cancelled = both<Complex>(Op::prod, Type::complex_double, {1 + e, 1}, {1 - e, 1});
    EXPECT_EQ(cancelled.real, 0);
    // No recovery of an infinity out of a NaN, as C's operator would do it.
    const double infinity = std::numeric_limits<double>::infinity();
    const auto lost = both<Complex>(Op::prod, Type::complex_double, {infinity, infinity}, {1, 1});
    EXPECT_TRUE(std::isnan(lost.real));
    EXPECT_EQ(lost.imaginary, infinity);
}

TEST(ReduceValues, MinlocAndMaxlocGiveTheSmallerIndexWhenValuesTie) {
    struct DoubleInt {
        double value;
        int index;
    };
    const auto tie = both<DoubleInt>(Op::minloc, Type::double_int, {2.5, 7}, {2.5, 3});
    EXPECT_EQ(tie.index, 3);
    EXPECT_EQ(both<DoubleInt>(Op::maxloc, Type::double_int, {2.5, -7}, {2.5, 3}).index, -7);
    EXPECT_EQ(both<DoubleInt>(Op::maxloc, Type::double_int, {2.5, 7}, {2.0, 3}).index, 7);
    // Zeros of both signs tie; the pair of the smaller index comes whole, sign and all.
    const auto zeros = both<DoubleInt>(Op::minloc, Type::double_int, {0.0, 9}, {-0.0, 4});
    EXPECT_EQ(zeros.index, 4);
    EXPECT_TRUE(std::signbit(zeros.value));
    // A value that is no number: the right pair, as with min.
    const double nan = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(both<DoubleInt>(Op::minloc, Type::double_int, {nan, 1}, {5.0, 2}).index, 2);
    EXPECT_EQ(both<DoubleInt>(Op::minloc, Type::double_int, {5.0, 1}, {nan, 2}).index, 2);
    struct ShortInt {
        short value;
        int index;
    };
    EXPECT_EQ(both<ShortInt>(Op::minloc, Type::short_int, {-4, 8}, {4, 1}).index, 8);
    struct TwoFloats {
        float value, index;
    };
    EXPECT_EQ(both<TwoFloats>(Op::maxloc, Type::float_float, {1.0F, 12.0F}, {1.0F, 11.0F}).index,
              11.0F);
}

TEST(ReduceValues, LongDoublesKeepTheirPrecision) {
    const long double tiny = std::numeric_limits<long double>::epsilon();
    std::vector<long double> left(5, 1.0L);
    std::vector<long double> right(5, tiny);
    ASSERT_FALSE(combine(Op::sum, Type::long_double, left.data(), right.data(), left.data(), 5));
    EXPECT_EQ(left[4], 1.0L + tiny);
    // At any address.
    std::vector<unsigned char> odd(5 * sizeof(long double) + 1);
    std::memcpy(odd.data() + 1, left.data(), 5 * sizeof(long double));
    ASSERT_FALSE(
        combine(Op::prod, Type::long_double, odd.data() + 1, right.data(), odd.data() + 1, 5));
    long double last;
    std::memcpy(&last, odd.data() + 1 + 4 * sizeof last, sizeof last);
    EXPECT_EQ(last, (1.0L + tiny) * tiny);
}

TEST(ReduceValues, ReplaceGivesTheRightOperandAndNoOpTheLeft) {
    EXPECT_EQ(both<int>(Op::replace, Type::int32, 1, 2), 2);
    EXPECT_EQ(both<int>(Op::no_op, Type::int32, 1, 2), 1);
    int left = 1;
    const int right = 2;
    EXPECT_FALSE(combine(Op::no_op, Type::int32, &left, &right, &left, 1));
    EXPECT_EQ(left, 1);
    EXPECT_FALSE(combine(Op::replace, Type::int32, nullptr, nullptr, nullptr, 0));
}

}  // namespace
}  // namespace onecopy
