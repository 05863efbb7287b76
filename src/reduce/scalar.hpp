// What each operation means for one element, in plain C++.
//
// This is the definition: the kernels of every instruction set give these bits at every position of
// an array, or tests/reduce fails. Two things need saying, because hardware leaves them open:
//
// NaN. Which of two NaNs an addition returns depends on the order in which the compiler passes its
//   operands, and what infinity minus infinity makes differs between processors. Here a sum or
//   product that is no number is the left operand if that is a NaN, else the right one if that is a
//   NaN (both made quiet, sign and payload kept), else the NaN x86 makes: quiet, sign set, payload
//   0. A part of a complex *product* that is no number is always that last one.
// Choice. min, max, minloc and maxloc copy one whole operand, so its bits (a signalling NaN, the
//   sign of a zero, padding) arrive unchanged. Where a long double is computed, its padding is that
//   of the left operand. No byte of a result is ever invented.
#pragma once

#include <bit>
#include <concepts>
#include <cstring>
#include <limits>
#include <type_traits>

#include "reduce/elements.hpp"
#include "reduce/half.hpp"

namespace onecopy::reduction::scalar {

template <class T>
inline constexpr bool is_half = std::is_same_v<T, Float16> || std::is_same_v<T, Bfloat16>;

template <class T>
inline constexpr bool is_complex = false;
template <class T>
inline constexpr bool is_complex<Complex<T>> = true;

/// Bytes of a T that carry its value; an x87 long double has 10, and padding after them.
template <class T>
inline constexpr std::size_t value_bytes =
    std::is_same_v<T, long double>&& std::numeric_limits<long double>::digits == 64 ? 10
                                                                                    : sizeof(T);

/// Makes the NaN at `value` quiet.
inline void make_quiet(float& value) noexcept {
    value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | 0x00400000);
}
inline void make_quiet(double& value) noexcept {
    value = std::bit_cast<double>(std::bit_cast<std::uint64_t>(value) | 0x0008000000000000);
}
inline void make_quiet(long double& value) noexcept {
    constexpr int digits = std::numeric_limits<long double>::digits;
    static_assert(digits == 64 || digits == 113, "x87 or IEEE binary128");
    static_assert(std::endian::native == std::endian::little);
    auto* const bytes = reinterpret_cast<unsigned char*>(&value);
    if constexpr (digits == 64)
        bytes[7] |= 0x40;  // bit 62 of the significand, whose bit 63 is the integer part
    else
        bytes[13] |= 0x80;  // bit 111
}

/// Sees to it that `result`, a sum or product of the other two, is the NaN promised above.
template <std::floating_point T>
inline void settle_nan(const T& left, const T& right, T& result) noexcept {
    if (result == result) [[likely]]
        return;
    if (left != left)
        result = left;
    else if (right != right)
        result = right;
    else
        result = -std::numeric_limits<T>::quiet_NaN();
    make_quiet(result);
}

/// result = left op right, for the operations that compute.
template <Op op, class T>
inline void compute(const T& left, const T& right, T& result) noexcept {
    if constexpr (std::is_integral_v<T>) {
        static_assert(std::is_unsigned_v<T> && !std::is_same_v<T, bool>);  // wraps, and 1u too
        if constexpr (op == Op::sum) result = static_cast<T>(1u * left + right);
        if constexpr (op == Op::prod) result = static_cast<T>(1u * left * right);
        if constexpr (op == Op::land) result = left != 0 && right != 0;
        if constexpr (op == Op::lor) result = left != 0 || right != 0;
        if constexpr (op == Op::lxor) result = (left != 0) != (right != 0);
        if constexpr (op == Op::band) result = static_cast<T>(left & right);
        if constexpr (op == Op::bor) result = static_cast<T>(left | right);
        if constexpr (op == Op::bxor) result = static_cast<T>(left ^ right);
    } else if constexpr (is_half<T>) {
        float wide;
        compute<op>(to_float(left), to_float(right), wide);
        from_float(wide, result);
    } else if constexpr (is_complex<T>) {
        static_assert(op == Op::prod);  // a sum is one of twice as many numbers
        result.real = left.real * right.real - left.imaginary * right.imaginary;
        result.imaginary = left.real * right.imaginary + left.imaginary * right.real;
        using Part = decltype(T::real);
        if (result.real != result.real) result.real = -std::numeric_limits<Part>::quiet_NaN();
        if (result.imaginary != result.imaginary)
            result.imaginary = -std::numeric_limits<Part>::quiet_NaN();
    } else {
        static_assert(std::is_floating_point_v<T>);
        if constexpr (op == Op::sum) result = left + right;
        if constexpr (op == Op::prod) result = left * right;
        settle_nan(left, right, result);
    }
}

/// Whether the left operand is the result, for the operations that choose one.
template <Op op, class T>
inline bool chooses_left(const T& left, const T& right) noexcept {
    if constexpr (op == Op::min || op == Op::max) {
        if constexpr (is_half<T>)
            return chooses_left<op>(to_float(left), to_float(right));
        else
            return op == Op::min ? left < right : left > right;
    } else {
        constexpr Op on_values = op == Op::minloc ? Op::min : Op::max;
        return chooses_left<on_values>(left.value, right.value) ||
               (left.value == right.value && left.index < right.index);
    }
}

/// One element, at any addresses; `result` is `left`, `right` or neither.
template <Op op, class T>
inline void apply(const unsigned char* left, const unsigned char* right,
                  unsigned char* result) noexcept {
    T a;
    T b;
    std::memcpy(&a, left, sizeof(T));
    std::memcpy(&b, right, sizeof(T));
    if constexpr (op == Op::min || op == Op::max || op == Op::minloc || op == Op::maxloc) {
        const unsigned char* const chosen = chooses_left<op>(a, b) ? left : right;
        if (chosen != result) std::memcpy(result, chosen, sizeof(T));
    } else {
        T c;
        compute<op>(a, b, c);
        if constexpr (value_bytes<T> != sizeof(T))
            if (result != left) std::memcpy(result, left, sizeof(T));
        std::memcpy(result, &c, value_bytes<T>);
    }
}

}  // namespace onecopy::reduction::scalar
