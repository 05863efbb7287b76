// Bytes that tell whether a message arrived: another pattern for every message and every place in
// it, so that neither an old message nor a shifted one passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace onecopy::cli {

/// The word at `index` (in units of 8 bytes) of message `seed`.
constexpr std::uint64_t pattern_word(std::uint64_t seed, std::uint64_t index) noexcept {
    return (seed + 1) * 0x9e3779b97f4a7c15U + index * 0x0100000001b3U;
}

/// Writes message `seed`.
inline void fill_bytes(std::span<std::byte> to, std::uint64_t seed) noexcept {
    const std::size_t words = to.size() / 8;
    for (std::size_t i = 0; i < words; ++i) {
        const std::uint64_t word = pattern_word(seed, i);
        std::memcpy(to.data() + i * 8, &word, 8);
    }
    const std::uint64_t last = pattern_word(seed, words);
    std::memcpy(to.data() + words * 8, &last, to.size() % 8);
}

/// Whether `from` is message `seed`, to the last byte.
inline bool holds_bytes(std::span<const std::byte> from, std::uint64_t seed) noexcept {
    const std::size_t words = from.size() / 8;
    std::uint64_t wrong = 0;
    for (std::size_t i = 0; i < words; ++i) {
        std::uint64_t word = 0;
        std::memcpy(&word, from.data() + i * 8, 8);
        wrong |= word ^ pattern_word(seed, i);
    }
    const std::uint64_t last = pattern_word(seed, words);
    return wrong == 0 && std::memcmp(&last, from.data() + words * 8, from.size() % 8) == 0;
}

/// The operand of message `seed` at `index`: a whole number, so that sums are exact.
constexpr double pattern_double(std::uint64_t seed, std::uint64_t index) noexcept {
    return static_cast<double>((seed * 7919 + index * 31) & 0xfffff);
}

/// Writes the operand of message `seed`; whole doubles only.
inline void fill_doubles(std::span<std::byte> to, std::uint64_t seed) noexcept {
    for (std::size_t i = 0; i < to.size() / sizeof(double); ++i) {
        const double value = pattern_double(seed, i);
        std::memcpy(to.data() + i * sizeof value, &value, sizeof value);
    }
}

/// Whether `from` is the sum of the operands of messages `one` and `other`.
inline bool holds_sum(std::span<const std::byte> from, std::uint64_t one,
                      std::uint64_t other) noexcept {
    bool right = true;
    for (std::size_t i = 0; i < from.size() / sizeof(double); ++i) {
        double value = 0;
        std::memcpy(&value, from.data() + i * sizeof value, sizeof value);
        right &= value == pattern_double(one, i) + pattern_double(other, i);
    }
    return right;
}

}  // namespace onecopy::cli
