// The bytes of a message: other ones for every operation, sender and slot, and a first word that
// counts where an operation is a loop.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "cli/bench_pattern.hpp"

namespace onecopy::p2p {

/// `batch`: of the turn and the operation.
inline std::uint64_t seed_of(std::uint64_t batch, int from, int slot) noexcept {
    return batch + (static_cast<std::uint64_t>(slot) << 16) +
           (static_cast<std::uint64_t>(from) << 24);
}

inline std::size_t head_bytes(std::size_t bytes) noexcept {
    return std::min(bytes, sizeof(std::uint64_t));
}

/// The first word of message `number` of a loop.
inline void write_head(std::byte* at, std::size_t bytes, std::uint64_t seed,
                       std::uint64_t number) noexcept {
    const std::uint64_t head = cli::pattern_word(~seed, number);
    std::memcpy(at, &head, head_bytes(bytes));
}

inline bool holds_head(const std::byte* at, std::size_t bytes, std::uint64_t seed,
                       std::uint64_t number) noexcept {
    const std::uint64_t head = cli::pattern_word(~seed, number);
    return std::memcmp(at, &head, head_bytes(bytes)) == 0;
}

inline void write_message(std::byte* at, std::size_t bytes, std::uint64_t seed,
                          std::uint64_t number) noexcept {
    write_head(at, bytes, seed, number);
    cli::fill_bytes(std::span(at, bytes).subspan(head_bytes(bytes)), seed);
}

/// To the last byte.
inline bool holds_message(const std::byte* at, std::size_t bytes, std::uint64_t seed,
                          std::uint64_t number) noexcept {
    return holds_head(at, bytes, seed, number) &&
           cli::holds_bytes(std::span(at, bytes).subspan(head_bytes(bytes)), seed);
}

/// Drives the bytes out of all caches of the machine.
void evict(const std::byte* at, std::size_t bytes) noexcept;

}  // namespace onecopy::p2p
