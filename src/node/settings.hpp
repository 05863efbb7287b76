// Reading settings: names, sizes and words between separators.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "os/byte_count.hpp"

namespace onecopy::node {

/// Takes what is in front of the separator, and that too; all if there is none.
inline std::string_view take_until(std::string_view& text, char separator) {
    const std::size_t at = std::min(text.find(separator), text.size());
    const std::string_view word = text.substr(0, at);
    text.remove_prefix(std::min(at + 1, text.size()));
    return word;
}

template <std::size_t Count>
std::optional<std::size_t> index_of(const std::array<std::string_view, Count>& names,
                                    std::string_view name) {
    const auto* const found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) return {};
    return static_cast<std::size_t>(found - names.begin());
}

inline std::optional<std::uint64_t> bytes_within(std::string_view text, std::uint64_t least,
                                                 std::uint64_t most) {
    const auto bytes = os::byte_count(text);
    return bytes && *bytes >= least && *bytes <= most ? bytes : std::nullopt;
}

inline std::string size_text(std::uint64_t bytes) {
    constexpr std::uint64_t kib = 1024;
    return bytes % kib == 0 ? std::to_string(bytes / kib) + "K" : std::to_string(bytes);
}

/// Values between '/': one for all, or one for each, which `read` makes of a word. False if one of
/// them is wrong, or there are neither one nor all.
template <class Value, std::size_t Count, class Read>
bool read_each(std::string_view text, std::array<Value, Count>& values, const Read& read) {
    std::array<Value, Count> given{};
    std::size_t count = 0;
    while (!text.empty() || count == 0) {
        const std::optional<Value> value = read(take_until(text, '/'));
        if (!value || count == Count) return false;
        given[count++] = *value;
    }
    if (count == 1) given.fill(given[0]);
    values = given;
    return count == 1 || count == Count;
}

/// And back: one where all are alike.
template <class Value, std::size_t Count, class Text>
std::string each_text(const std::array<Value, Count>& values, const Text& text) {
    const bool all_alike = std::all_of(values.begin(), values.end(),
                                       [&](const Value& each) { return each == values.front(); });
    std::string all;
    for (std::size_t i = 0; i < (all_alike ? 1 : Count); ++i) {
        if (i > 0) all += '/';
        all += text(values[i]);
    }
    return all;
}

}  // namespace onecopy::node
