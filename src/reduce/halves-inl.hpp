// The half types on whole vectors, compiled once per instruction set.
//
// Sums and products widen to float and round once. min and max need no float at all: the order of
// two halves is the order of their magnitudes as integers, negated where the sign is set.

#if defined(ONECOPY_REDUCE_HALVES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ONECOPY_REDUCE_HALVES_INL
#undef ONECOPY_REDUCE_HALVES_INL
#else
#define ONECOPY_REDUCE_HALVES_INL
#endif

#include "reduce/operators-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace onecopy::reduction::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

template <class T>
concept HalfType = scalar::is_half<T>;

template <Op op, HalfType T>
requires(op == Op::min || op == Op::max) struct VectorOperation<op, T> : LanesOf<std::uint16_t> {
    template <class D, class V>
    static HWY_INLINE V apply(D d, V left, V right) {
        const hn::RebindToSigned<D> keys;
        const auto infinity = hn::Set(d, infinity_bits(T{}));
        const auto left_magnitude = hn::And(left, hn::Set(d, std::uint16_t{0x7fff}));
        const auto right_magnitude = hn::And(right, hn::Set(d, std::uint16_t{0x7fff}));
        const auto largest = hn::BitCast(keys, hn::Max(left_magnitude, right_magnitude));
        const auto some_nan = hn::Gt(largest, hn::BitCast(keys, infinity));
        const auto left_key = key(keys, left, left_magnitude);
        const auto right_key = key(keys, right, right_magnitude);
        const auto before =
            op == Op::min ? hn::Lt(left_key, right_key) : hn::Gt(left_key, right_key);
        const auto chosen = hn::IfThenElse(hn::AndNot(some_nan, before), hn::BitCast(keys, left),
                                           hn::BitCast(keys, right));
        return hn::BitCast(d, chosen);
    }

private:
    /// A number that orders as the halves do; both zeros have 0.
    template <class K, class V>
    static HWY_INLINE hn::Vec<K> key(K keys, V value, V magnitude) {
        const auto sign = hn::BroadcastSignBit(hn::BitCast(keys, value));  // 0 or -1
        return hn::Sub(hn::Xor(hn::BitCast(keys, magnitude), sign), sign);
    }
};

// ---- bfloat16: the upper half of a float, so widening is a shift

template <Op op>
requires(op == Op::sum || op == Op::prod) struct VectorOperation<op, Bfloat16>
    : LanesOf<std::uint16_t> {
    template <class D, class V>
    static HWY_INLINE V apply(D d, V left, V right) {
        const hn::Repartition<std::uint32_t, D> wide;
        const auto a = hn::BitCast(wide, left);
        const auto b = hn::BitCast(wide, right);
        const auto upper = hn::Set(wide, 0xffff0000u);
        const auto odd = rounded(wide, hn::And(a, upper), hn::And(b, upper));
        const auto even = rounded(wide, hn::ShiftLeft<16>(a), hn::ShiftLeft<16>(b));
        return hn::BitCast(d, hn::Or(hn::And(odd, upper), hn::ShiftRight<16>(even)));
    }

private:
    /// The result's bits, rounded: only the upper half counts. A NaN's lower half is 0 here, since
    /// it came from a half or is the default one, so rounding cannot make a number of it.
    template <class W, class B>
    static HWY_INLINE B rounded(W wide, B left, B right) {
        const hn::RebindToFloat<W> floats;
        const B bits =
            hn::BitCast(wide, VectorOperation<op, float>::apply(floats, hn::BitCast(floats, left),
                                                                hn::BitCast(floats, right)));
        const B odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(wide, 1u));
        return hn::Add(bits, hn::Add(odd, hn::Set(wide, 0x7fffu)));
    }
};

// ---- float16: by instruction where there is one, else by integers

/// Lanes of float16 as floats.
template <class F, class H>
HWY_INLINE hn::Vec<F> widened(F floats, H half) {
#if HWY_TARGET == HWY_SSE4
    // Highway's emulation knows neither infinity nor NaN.
    const hn::RebindToSigned<F> wide;  // all that is compared is positive
    const auto bits = hn::BitCast(wide, hn::PromoteTo(hn::RebindToUnsigned<F>(), half));
    const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(wide, 0x8000)));
    const auto magnitude = hn::And(bits, hn::Set(wide, 0x7fff));
    const auto shifted = hn::ShiftLeft<13>(magnitude);
    const auto rebias = hn::Set(wide, 112 << 23);
    const auto special = hn::Gt(magnitude, hn::Set(wide, 0x7bff));
    const auto nan = hn::Gt(magnitude, hn::Set(wide, 0x7c00));
    const auto normal = hn::Add(shifted, rebias);
    const auto finite_or_not =
        hn::Add(normal, hn::IfThenElseZero(special, rebias));  // exponent 31 to 255
    const auto quieted = hn::Or(finite_or_not, hn::IfThenElseZero(nan, hn::Set(wide, 0x00400000)));
    // Below 2^-14: put the fraction under 2^-14's exponent, then take 2^-14 away.
    const auto offset = hn::Set(wide, 113 << 23);
    const auto subnormal = hn::BitCast(
        wide, hn::Sub(hn::BitCast(floats, hn::Add(shifted, offset)), hn::BitCast(floats, offset)));
    const auto is_subnormal = hn::Gt(hn::Set(wide, 0x0400), magnitude);
    return hn::BitCast(floats, hn::Or(sign, hn::IfThenElse(is_subnormal, subnormal, quieted)));
#else
    const hn::Rebind<hwy::float16_t, F> halves;
    return hn::PromoteTo(floats, hn::BitCast(halves, half));
#endif
}

/// Floats as lanes of float16, to nearest even.
template <class H, class V>
HWY_INLINE hn::Vec<H> narrowed(H half, V value) {
#if HWY_TARGET == HWY_SSE4
    const hn::DFromV<V> floats;
    const hn::RebindToSigned<decltype(floats)> wide;  // all that is compared is positive
    const auto bits = hn::BitCast(wide, value);
    const auto magnitude = hn::And(bits, hn::Set(wide, 0x7fffffff));
    const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(wide, 0x8000));
    const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(wide, 1u));
    const auto normal =
        hn::ShiftRight<13>(hn::Sub(hn::Add(magnitude, odd), hn::Set(wide, (112 << 23) - 0xfff)));
    // Below 2^-14: 0.5 has an ulp of 2^-24, so the addition rounds to the subnormals' grid.
    const auto half_bits = hn::Set(wide, 0x3f000000);
    const auto subnormal = hn::Sub(
        hn::BitCast(wide, hn::Add(hn::BitCast(floats, magnitude), hn::BitCast(floats, half_bits))),
        half_bits);
    const auto nan =
        hn::Or(hn::And(hn::ShiftRight<13>(magnitude), hn::Set(wide, 0x3ff)), hn::Set(wide, 0x7e00));
    const auto is_subnormal = hn::Gt(hn::Set(wide, 0x38800000), magnitude);
    const auto is_infinite = hn::Gt(magnitude, hn::Set(wide, 0x477fefff));
    const auto is_nan = hn::Gt(magnitude, hn::Set(wide, 0x7f800000));
    auto result = hn::IfThenElse(is_subnormal, subnormal, normal);
    result = hn::IfThenElse(is_infinite, hn::Set(wide, 0x7c00), result);
    result = hn::Or(sign, hn::IfThenElse(is_nan, nan, result));
    return hn::DemoteTo(half, result);
#else
    const hn::Rebind<hwy::float16_t, H> halves;
    return hn::BitCast(half, hn::DemoteTo(halves, value));
#endif
}

template <Op op>
requires(op == Op::sum || op == Op::prod) struct VectorOperation<op, Float16>
    : LanesOf<std::uint16_t> {
    template <class D, class V>
    static HWY_INLINE V apply(D d, V left, V right) {
        const hn::Half<D> half;
        const auto lower = one_half(half, hn::LowerHalf(half, left), hn::LowerHalf(half, right));
        const auto upper = one_half(half, hn::UpperHalf(half, left), hn::UpperHalf(half, right));
        return hn::Combine(d, upper, lower);
    }

private:
    template <class H, class V>
    static HWY_INLINE V one_half(H half, V left, V right) {
        const hn::Rebind<float, H> floats;
        return narrowed(half, VectorOperation<op, float>::apply(floats, widened(floats, left),
                                                                widened(floats, right)));
    }
};

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace onecopy::reduction::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // once for each instruction set
