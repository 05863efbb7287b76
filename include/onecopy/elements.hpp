// Which ranges can be sent as they are, and which can be reduced.
#pragma once

#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <span>
#include <type_traits>

#include "onecopy/reduce.hpp"
#include "onecopy/transfer.hpp"

namespace onecopy::detail {

template <class T>
concept Element = std::is_trivially_copyable_v<T> && !std::same_as<std::remove_cv_t<T>, Segment> &&
                  !std::same_as<std::remove_cv_t<T>, ConstSegment>;
template <class R>
concept Elements = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    Element<std::ranges::range_value_t<R>> && !std::convertible_to<R, ConstSegment>;

template <Elements R>
ConstSegment bytes_of(const R& range) noexcept {
    return std::as_bytes(std::span(std::ranges::data(range), std::ranges::size(range)));
}
template <Elements R>
Segment writable_bytes_of(R&& range) noexcept {
    return std::as_writable_bytes(std::span(std::ranges::data(range), std::ranges::size(range)));
}

inline constexpr Type no_type{};
/// The Type of a C++ type, or `no_type`.
template <class T>
constexpr Type type_for() noexcept {
    if constexpr (std::same_as<T, bool>) {
        return sizeof(bool) == 1 ? Type::boolean : no_type;
    } else if constexpr (std::integral<T>) {
        constexpr bool is_signed = std::is_signed_v<T>;
        switch (sizeof(T)) {
            case 1:
                return is_signed ? Type::int8 : Type::uint8;
            case 2:
                return is_signed ? Type::int16 : Type::uint16;
            case 4:
                return is_signed ? Type::int32 : Type::uint32;
            case 8:
                return is_signed ? Type::int64 : Type::uint64;
            default:
                return no_type;
        }
    } else if constexpr (std::same_as<T, float>) {
        return Type::float32;
    } else if constexpr (std::same_as<T, double>) {
        return Type::float64;
    } else if constexpr (std::same_as<T, long double>) {
        return Type::long_double;
    } else if constexpr (std::same_as<T, std::complex<float>>) {
        return Type::complex_float;
    } else if constexpr (std::same_as<T, std::complex<double>>) {
        return Type::complex_double;
    } else {
        return no_type;
    }
}
template <class T>
concept has_type = (type_for<std::remove_cv_t<T>>() != no_type);
template <class R>
concept Reducible = Elements<R> && has_type<std::ranges::range_value_t<R>>;
template <class R>
inline constexpr Type type_of = type_for<std::ranges::range_value_t<R>>();

}  // namespace onecopy::detail
