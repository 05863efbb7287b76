// The operations on whole vectors, compiled once per instruction set.
//
// VectorOperation<op, T> says how an element of type T lies in vector lanes (`Lane`) and applies
// `op` to full vectors of them. Where none is declared, the scalar definition is all there is.
// Nothing here needs Highway's library: only its headers.

// This guard flips with every instruction set, so that the file is seen once for each.
#if defined(ONECOPY_REDUCE_OPERATORS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ONECOPY_REDUCE_OPERATORS_INL
#undef ONECOPY_REDUCE_OPERATORS_INL
#else
#define ONECOPY_REDUCE_OPERATORS_INL
#endif

#include "hwy/highway.h"
#include "reduce/scalar.hpp"

HWY_BEFORE_NAMESPACE();
namespace onecopy::reduction::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// The vectors' view of an operation. Highway's one-lane target has none: the scalar definition is
/// as fast there.
template <Op op, class T>
struct VectorOperation {
    static constexpr bool exists = false;
};

#if HWY_TARGET != HWY_SCALAR

template <class T>
struct LanesOf {
    static constexpr bool exists = true;
    using Lane = T;
};

template <class T>
concept Integer = std::integral<T> && !std::is_same_v<T, bool>;

/// The lane type as long as T: Highway knows int64_t, not each of long and long long.
template <std::size_t bytes>
using Unsigned = std::conditional_t<
    bytes == 1, std::uint8_t,
    std::conditional_t<bytes == 2, std::uint16_t,
                       std::conditional_t<bytes == 4, std::uint32_t, std::uint64_t>>>;

// ---- integers: sums and products wrap, signed ones arrive here as unsigned

template <Integer T>
struct VectorOperation<Op::sum, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D, V left, V right) {
        return hn::Add(left, right);
    }
};

template <Integer T>
struct VectorOperation<Op::prod, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D d, V left, V right) {
        if constexpr (sizeof(T) == 1) {
            // There is no product of bytes: the lower byte of a 16-bit product is the product of
            // the lower bytes, and the upper bytes are brought down first.
            const hn::Repartition<std::uint16_t, D> wide;
            const auto a = hn::BitCast(wide, left);
            const auto b = hn::BitCast(wide, right);
            const auto even = hn::And(hn::Mul(a, b), hn::Set(wide, std::uint16_t{0xff}));
            const auto odd = hn::Mul(hn::ShiftRight<8>(a), hn::ShiftRight<8>(b));
            return hn::BitCast(d, hn::Or(even, hn::ShiftLeft<8>(odd)));
        } else {
            return hn::Mul(left, right);
        }
    }
};

template <Integer T>
struct VectorOperation<Op::min, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D, V left, V right) {
        return hn::Min(left, right);
    }
};

template <Integer T>
struct VectorOperation<Op::max, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D, V left, V right) {
        return hn::Max(left, right);
    }
};

template <Integer T>
struct VectorOperation<Op::land, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D d, V left, V right) {
        const V right_counts = hn::IfThenZeroElse(hn::Eq(right, hn::Zero(d)), hn::Set(d, T{1}));
        return hn::IfThenZeroElse(hn::Eq(left, hn::Zero(d)), right_counts);
    }
};

template <Integer T>
struct VectorOperation<Op::lor, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D d, V left, V right) {
        const auto all_zero = hn::Eq(hn::Or(left, right), hn::Zero(d));
        return hn::IfThenZeroElse(all_zero, hn::Set(d, T{1}));
    }
};

template <Integer T>
struct VectorOperation<Op::lxor, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D d, V left, V right) {
        const auto one_zero = hn::Xor(hn::Eq(left, hn::Zero(d)), hn::Eq(right, hn::Zero(d)));
        return hn::IfThenElseZero(one_zero, hn::Set(d, T{1}));
    }
};

template <Integer T>
struct VectorOperation<Op::band, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D, V left, V right) {
        return hn::And(left, right);
    }
};

template <Integer T>
struct VectorOperation<Op::bor, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D, V left, V right) {
        return hn::Or(left, right);
    }
};

template <Integer T>
struct VectorOperation<Op::bxor, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D, V left, V right) {
        return hn::Xor(left, right);
    }
};

// ---- floating point

/// Whether Highway has vectors of them.
template <class T>
concept Floating = std::is_same_v<T, float> || std::is_same_v<T, double>;

/// The NaN that x86 makes of what has no value: quiet, sign set, payload 0.
template <class D>
HWY_INLINE hn::Vec<D> default_nan(D d) {
    using T = hn::TFromD<D>;
    return hn::Set(d, -std::numeric_limits<T>::quiet_NaN());
}

/// `value` with the bit set that makes a NaN quiet.
template <class D, class V>
HWY_INLINE V quiet(D d, V value) {
    using T = hn::TFromD<D>;
    const hn::RebindToUnsigned<D> bits;
    using Bits = hn::TFromD<decltype(bits)>;
    constexpr auto quiet_bit = Bits{1} << (std::numeric_limits<T>::digits - 2);
    return hn::BitCast(d, hn::Or(hn::BitCast(bits, value), hn::Set(bits, quiet_bit)));
}

/// A sum or product whose NaNs are those that scalar.hpp promises.
template <class D, class V>
HWY_INLINE V settle_nan(D d, V left, V right, V result) {
    const auto bad = hn::IsNaN(result);
    if (HWY_LIKELY(hn::AllFalse(d, bad))) return result;
    const V made = hn::IfThenElse(bad, default_nan(d), result);
    const V from_right = hn::IfThenElse(hn::IsNaN(right), quiet(d, right), made);
    return hn::IfThenElse(hn::IsNaN(left), quiet(d, left), from_right);
}

template <Floating T>
struct VectorOperation<Op::sum, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D d, V left, V right) {
        return settle_nan(d, left, right, hn::Add(left, right));
    }
};

template <Floating T>
struct VectorOperation<Op::prod, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D d, V left, V right) {
        return settle_nan(d, left, right, hn::Mul(left, right));
    }
};

template <Floating T>
struct VectorOperation<Op::min, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D, V left, V right) {
#if HWY_ARCH_X86
        return hn::Min(left, right);  // minps: the right one if equal or unordered
#else
        return hn::IfThenElse(hn::Lt(left, right), left, right);
#endif
    }
};

template <Floating T>
struct VectorOperation<Op::max, T> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D, V left, V right) {
#if HWY_ARCH_X86
        return hn::Max(left, right);
#else
        return hn::IfThenElse(hn::Gt(left, right), left, right);
#endif
    }
};

/// Real and imaginary parts in turn: (a + bi)(c + di) from [ac, ad] and [bd, bc].
template <Floating T>
struct VectorOperation<Op::prod, Complex<T>> : LanesOf<T> {
    template <class D, class V>
    static HWY_INLINE V apply(D d, V left, V right) {
        const V by_real = hn::Mul(hn::DupEven(left), right);
        const V by_imaginary = hn::Mul(hn::DupOdd(left), hn::Reverse2(d, right));
        const V product =
            hn::OddEven(hn::Add(by_real, by_imaginary), hn::Sub(by_real, by_imaginary));
        return hn::IfThenElse(hn::IsNaN(product), default_nan(d), product);
    }
};

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace onecopy::reduction::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // once for each instruction set
