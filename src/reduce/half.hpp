// The two half types as floats and back, in plain integer arithmetic: what every instruction set
// must agree with, bit for bit.
#pragma once

#include <bit>
#include <cstdint>

#include "reduce/elements.hpp"

namespace onecopy::reduction {

/// Exact. A NaN keeps its sign and payload and becomes quiet.
inline float to_float(Float16 value) noexcept {
    const std::uint32_t sign = (value.bits & 0x8000u) << 16;
    const std::uint32_t magnitude = value.bits & 0x7fffu;
    if (magnitude > 0x7c00) return std::bit_cast<float>(sign | 0x7fc00000 | magnitude << 13);
    if (magnitude == 0x7c00) return std::bit_cast<float>(sign | 0x7f800000);
    if (magnitude >= 0x0400) return std::bit_cast<float>(sign | ((magnitude << 13) + (112u << 23)));
    const float subnormal = static_cast<float>(magnitude) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(subnormal));
}

inline float to_float(Bfloat16 value) noexcept {
    const std::uint32_t bits = static_cast<std::uint32_t>(value.bits) << 16;
    const bool nan = (bits & 0x7fffffff) > 0x7f800000;
    return std::bit_cast<float>(nan ? bits | 0x00400000 : bits);
}

/// `value` to the nearest of its kind, ties to even; a NaN keeps its sign and upper payload.
inline void from_float(float value, Float16& half) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = bits >> 16 & 0x8000;
    const std::uint32_t magnitude = bits & 0x7fffffff;
    std::uint32_t rounded;
    if (magnitude > 0x7f800000) {
        rounded = 0x7e00 | (magnitude >> 13 & 0x3ff);
    } else if (magnitude >= 0x477ff000) {  // 65520, half-way to a number that does not exist
        rounded = 0x7c00;
    } else if (magnitude >= 0x38800000) {  // 2^-14: normal in both formats
        rounded = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
    } else if (magnitude >= 0x33000000) {  // 2^-25, half the smallest: a count of 2^-24
        const std::uint32_t significand = (magnitude & 0x7fffff) | 0x800000;
        const unsigned dropped = 126 - (magnitude >> 23);
        const std::uint32_t rest = significand & ((1u << dropped) - 1);
        const std::uint32_t tie = 1u << (dropped - 1);
        rounded = significand >> dropped;
        rounded += rest > tie || (rest == tie && (rounded & 1) != 0) ? 1 : 0;
    } else {
        rounded = 0;
    }
    half.bits = static_cast<std::uint16_t>(sign | rounded);
}

inline void from_float(float value, Bfloat16& half) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        half.bits = static_cast<std::uint16_t>(bits >> 16 | 0x0040);
    else
        half.bits = static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// The bits of infinity: anything above, sign aside, is a NaN.
inline constexpr std::uint16_t infinity_bits(Float16) noexcept { return 0x7c00; }
inline constexpr std::uint16_t infinity_bits(Bfloat16) noexcept { return 0x7f80; }

}  // namespace onecopy::reduction
