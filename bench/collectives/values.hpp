// The doubles that collectives are fed with: whole numbers, so that sums are exact in every order,
// and such that a part that is another rank's, an older operation's or shifted does not pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace onecopy::together {

/// What tells the part of rank `from` for rank `to` from others, of this and other operations: a
/// number below 2^32. A vector is its owner's part for rank 0.
inline double mark_of(std::uint64_t batch, int from, int to) noexcept {
    // Source: the finalizer of MurmurHash3.
    std::uint64_t value = batch * 0x9e37'79b9'7f4a'7c15U + static_cast<std::uint64_t>(from) * 1021 +
                          static_cast<std::uint64_t>(to) * 7919 + 1;
    value = (value ^ value >> 33) * 0xff51'afd7'ed55'8ccdU;
    value = (value ^ value >> 33) * 0xc4ce'b9fe'1a85'ec53U;
    return static_cast<double>((value ^ value >> 33) & 0xffff'ffffU);
}

/// What tells the element at `index` from its neighbours: a number below 2^22.
constexpr double place_of(std::size_t index) noexcept {
    return static_cast<double>(
        static_cast<std::int32_t>(static_cast<std::uint32_t>(index) * 40'503U & 0x3f'ffffU));
}

inline void write_values(std::byte* to, std::size_t bytes, double mark) noexcept {
    for (std::size_t i = 0; i < bytes / sizeof(double); ++i) {
        const double value = mark + place_of(i);
        std::memcpy(to + i * sizeof value, &value, sizeof value);
    }
}

/// Whether each element, from the one at `begin` on, is the sum of `terms` such vectors, whose
/// marks add up to `marks`.
inline bool holds_values(const std::byte* at, std::size_t bytes, double marks, double terms,
                         std::size_t begin = 0) noexcept {
    bool right = true;
    for (std::size_t i = begin; i < bytes / sizeof(double); ++i) {
        double value = 0;
        std::memcpy(&value, at + i * sizeof value, sizeof value);
        right &= value == marks + terms * place_of(i);
    }
    return right;
}

}  // namespace onecopy::together
