// minloc and maxloc on whole vectors, compiled once per instruction set.
//
// A pair fills two lanes of one width, value first; a narrower member lies in the lower bits of its
// lane, under padding. Both members are compared in all lanes, and the answer of the lane that
// holds the value (or the index) is then copied over the pair.

#if defined(ONECOPY_REDUCE_PAIRS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ONECOPY_REDUCE_PAIRS_INL
#undef ONECOPY_REDUCE_PAIRS_INL
#else
#define ONECOPY_REDUCE_PAIRS_INL
#endif

#include <cstddef>

#include "reduce/operators-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace onecopy::reduction::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

/// Whether a pair is two lanes of a width that vectors compare: not so with a long double.
template <class P>
inline constexpr bool is_two_lanes = (sizeof(P) == 8 || sizeof(P) == 16) &&
                                     offsetof(P, index) == sizeof(P) / 2 &&
                                     !std::is_same_v<decltype(P::value), long double>;

template <Op op, class Value, class Index>
requires(is_two_lanes<Pair<Value, Index>> &&
         (op == Op::minloc || op == Op::maxloc)) struct VectorOperation<op, Pair<Value, Index>>
    : LanesOf<Unsigned<sizeof(Pair<Value, Index>) / 2>> {
    template <class D, class V>
    static HWY_INLINE V apply(D d, V left, V right) {
        const auto left_value = member<Value>(d, left);
        const auto right_value = member<Value>(d, right);
        const auto better =
            op == Op::minloc ? hn::Lt(left_value, right_value) : hn::Gt(left_value, right_value);
        const auto tie = hn::Eq(left_value, right_value);
        // The index stands in the odd lanes; bring it down to where the value is.
        const auto earlier =
            hn::Lt(member<Index>(d, hn::DupOdd(left)), member<Index>(d, hn::DupOdd(right)));
        const auto wins = hn::Or(hn::RebindMask(d, better),
                                 hn::And(hn::RebindMask(d, tie), hn::RebindMask(d, earlier)));
        const auto pair_wins = hn::MaskFromVec(hn::DupEven(hn::VecFromMask(d, wins)));
        return hn::IfThenElse(pair_wins, left, right);
    }

private:
    /// The members in even lanes as numbers to compare; odd lanes hold a harmless 0 where the
    /// comparison is one of floats, or an index could raise a floating-point exception.
    template <class Member, class D, class V>
    static HWY_INLINE auto member(D d, V pairs) {
        using Lane = hn::TFromD<D>;
        constexpr int unused_bits = 8 * (sizeof(Lane) - sizeof(Member));
        if constexpr (std::is_floating_point_v<Member>) {
            const hn::RebindToFloat<D> floats;
            static_assert(unused_bits == 0);
            return hn::BitCast(floats, hn::OddEven(hn::Zero(d), pairs));
        } else {
            const hn::RebindToSigned<D> numbers;
            return hn::BitCast(numbers, hn::ShiftLeft<unused_bits>(pairs));
        }
    }
};

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace onecopy::reduction::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // once for each instruction set
