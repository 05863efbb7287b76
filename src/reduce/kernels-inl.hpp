// The loops over an array and the table of kernels, compiled once per instruction set.

#if defined(ONECOPY_REDUCE_KERNELS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ONECOPY_REDUCE_KERNELS_INL
#undef ONECOPY_REDUCE_KERNELS_INL
#else
#define ONECOPY_REDUCE_KERNELS_INL
#endif

#include <utility>

#include "reduce/halves-inl.hpp"
#include "reduce/kernels.hpp"
#include "reduce/operators-inl.hpp"
#include "reduce/pairs-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace onecopy::reduction::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

/// The vector of results that starts `at` bytes into the arrays.
template <class Operation, class D>
HWY_INLINE hn::Vec<D> result_at(D d, const unsigned char* left, const unsigned char* right,
                                std::size_t at) {
    const hn::Repartition<std::uint8_t, D> bytes;  // loads that expect no alignment
    return Operation::apply(d, hn::BitCast(d, hn::LoadU(bytes, left + at)),
                            hn::BitCast(d, hn::LoadU(bytes, right + at)));
}

template <class D>
HWY_INLINE void store_at(D, hn::Vec<D> value, unsigned char* result, std::size_t at) {
    const hn::Repartition<std::uint8_t, D> bytes;
    hn::StoreU(hn::BitCast(bytes, value), bytes, result + at);
}

/// The whole array by vectors, if it is at least one long.
///
/// The first and the last vector are computed before anything is stored and stored after everything
/// else. So the loop between them may start where `result` is aligned and end anywhere: elements
/// it has in common with those two are computed twice, from operands still unchanged.
template <class Operation, std::size_t element_bytes, class D>
HWY_INLINE bool sweep(D d, const unsigned char* left, const unsigned char* right,
                      unsigned char* result, std::size_t bytes) {
    const std::size_t step = hn::Lanes(d) * sizeof(hn::TFromD<D>);
    if (bytes < step) return false;
    const auto first = result_at<Operation>(d, left, right, 0);
    const auto last = result_at<Operation>(d, left, right, bytes - step);

    std::size_t at = -reinterpret_cast<std::uintptr_t>(result) % step;
    if (at % element_bytes != 0) at = 0;  // no element of it ever is aligned
    for (; at + 4 * step <= bytes; at += 4 * step) {
        const auto a = result_at<Operation>(d, left, right, at);
        const auto b = result_at<Operation>(d, left, right, at + step);
        const auto c = result_at<Operation>(d, left, right, at + 2 * step);
        const auto e = result_at<Operation>(d, left, right, at + 3 * step);
        store_at(d, a, result, at);
        store_at(d, b, result, at + step);
        store_at(d, c, result, at + 2 * step);
        store_at(d, e, result, at + 3 * step);
    }
    for (; at + step <= bytes; at += step)
        store_at(d, result_at<Operation>(d, left, right, at), result, at);

    store_at(d, first, result, 0);
    store_at(d, last, result, bytes - step);
    return true;
}

#endif  // HWY_TARGET != HWY_SCALAR

template <Op op, class T>
void kernel(const void* left, const void* right, void* result, std::size_t count) noexcept {
    const auto* const a = static_cast<const unsigned char*>(left);
    const auto* const b = static_cast<const unsigned char*>(right);
    auto* const c = static_cast<unsigned char*>(result);
    if constexpr (op == Op::replace || op == Op::no_op) {
        const unsigned char* const from = op == Op::replace ? b : a;
        if (from != c && count != 0) std::memcpy(c, from, count * sizeof(T));
    } else if constexpr (op == Op::sum && scalar::is_complex<T>) {
        kernel<op, decltype(T::real)>(left, right, result, 2 * count);
    } else {
#if HWY_TARGET != HWY_SCALAR
        using Operation = VectorOperation<op, T>;
        if constexpr (Operation::exists) {
            using Lane = typename Operation::Lane;
            if (sweep<Operation, sizeof(T)>(hn::ScalableTag<Lane>(), a, b, c, count * sizeof(T)))
                return;
            // Too short for a full vector; a 16-byte one is the shortest that all operations know.
            if constexpr (HWY_MAX_BYTES > 16) {
                const hn::FixedTag<Lane, 16 / sizeof(Lane)> small;
                if (sweep<Operation, sizeof(T)>(small, a, b, c, count * sizeof(T))) return;
            }
        }
#endif
        for (std::size_t i = 0; i < count; ++i)
            scalar::apply<op, T>(a + i * sizeof(T), b + i * sizeof(T), c + i * sizeof(T));
    }
}

/// The type whose kernel does the work of `op` on T: signed integers wrap as unsigned ones do, a
/// bool is a byte, and what is only copied is only as long as it is.
template <std::size_t bytes>
struct Block {
    unsigned char raw[bytes];
};
template <Op op, class T>
struct WorkType {
    static constexpr auto choose() {
        constexpr bool ordered = op == Op::min || op == Op::max;
        if constexpr (op == Op::replace || op == Op::no_op)
            return std::type_identity<Block<sizeof(T)>>();
        else if constexpr (std::is_same_v<T, bool>)
            return std::type_identity<std::uint8_t>();
        else if constexpr (std::is_integral_v<T> && !ordered)
            return std::type_identity<std::make_unsigned_t<T>>();
        else
            return std::type_identity<T>();
    }
    using type = typename decltype(choose())::type;
};

template <Op op, Type type>
constexpr Kernel entry() {
    if constexpr (in_table(op, type))
        return &kernel<op, typename WorkType<op, Element<type>>::type>;
    else
        return nullptr;
}

template <std::size_t operation, std::size_t... type>
constexpr std::array<Kernel, type_count> row(std::index_sequence<type...>) {
    return {entry<operations[operation].op, types[type].type>()...};
}

template <std::size_t... operation>
constexpr KernelTable table_of(const char* target, std::index_sequence<operation...>) {
    return {target, {row<operation>(std::make_index_sequence<type_count>())...}};
}

constexpr const char* target_name =
#if HWY_TARGET == HWY_AVX3
    "avx512";
#elif HWY_TARGET == HWY_AVX2
    "avx2";
#elif HWY_TARGET == HWY_SSE4
    "sse4";
#elif HWY_TARGET == HWY_NEON
    "neon";
#else
    "scalar";
#endif

constinit const KernelTable table =
    table_of(target_name, std::make_index_sequence<operation_count>());

}  // namespace onecopy::reduction::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // once for each instruction set
