// What the environment asks of the heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace onecopy::heap {

/// Blocks from this size on come from the arena.
inline constexpr std::size_t usual_threshold = std::size_t{64} << 10;

/// The least that can be asked for: a page.
inline constexpr std::size_t least_threshold = 4096;

struct Settings {
    bool off = false;         ///< ONECOPY=0 or ONECOPY_HEAP=0
    bool statistics = false;  ///< ONECOPY_HEAP_STATS=1
    std::size_t threshold_bytes = usual_threshold;
    /// The value of ONECOPY_HEAP_THRESHOLD if it makes no sense; owned by the environment.
    const char* bad_threshold = nullptr;
};

/// A number of bytes as a threshold: digits, and K, M or G for the powers of 1024. Empty if it is
/// none, or less than a page.
std::optional<std::size_t> parse_threshold(std::string_view text) noexcept;

/// `variable`: std::getenv, or a test's.
Settings read_settings(const char* (*variable)(const char* name)) noexcept;

}  // namespace onecopy::heap
