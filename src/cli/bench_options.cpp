#include "cli/bench_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

/// Calls `visit` with each piece of a comma-separated list.
template <class Visit>
void for_each_piece(std::string_view text, Visit&& visit) {
    for (;;) {
        const std::size_t comma = text.find(',');
        visit(text.substr(0, comma));
        if (comma == std::string_view::npos) return;
        text.remove_prefix(comma + 1);
    }
}

/// 0 if it is no size or too large for any machine.
std::uint64_t parse_size(std::string_view piece) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(piece.data(), piece.data() + piece.size(), number);
    if (error != std::errc{}) return 0;
    std::string_view unit = piece.substr(static_cast<std::size_t>(end - piece.data()));
    int shift = 0;
    if (!unit.empty()) {
        const std::size_t power = std::string_view("KMG").find(unit.front());
        if (power != std::string_view::npos) {
            shift = static_cast<int>(power + 1) * 10;
            unit.remove_prefix(1);
            if (unit.starts_with('i')) unit.remove_prefix(1);
        }
        if (unit == "B") unit = {};
        if (!unit.empty()) return 0;
    }
    return number > (std::uint64_t{1} << 50) >> shift ? 0 : number << shift;
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
    constexpr std::string_view units[] = {"B", "KiB", "MiB", "GiB"};
    std::size_t unit = 0;
    auto value = static_cast<double>(bytes);
    while (value >= 1024 && unit + 1 < std::size(units)) {
        value /= 1024;
        ++unit;
    }
    return value == std::floor(value) ? fmt::format("{:.0f} {}", value, units[unit])
                                      : fmt::format("{:.1f} {}", value, units[unit]);
}

std::vector<std::uint64_t> parse_sizes(std::string_view asked, std::string_view text,
                                       std::uint64_t max_bytes) {
    std::vector<std::uint64_t> sizes;
    for_each_piece(text, [&](std::string_view piece) {
        const std::uint64_t bytes = parse_size(piece);
        if (bytes == 0 || bytes > max_bytes) {
            throw WrongInput(
                fmt::format("{}: --sizes {}: '{}' is no size between 1 and {}; write "
                            "a list like 8,1K,64K,4M",
                            asked, text, piece, human_bytes(max_bytes)));
        }
        sizes.push_back(bytes);
    });
    std::sort(sizes.begin(), sizes.end());
    sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
    return sizes;
}

std::vector<std::string> parse_names(std::string_view asked, std::string_view what,
                                     std::string_view text,
                                     std::span<const std::string_view> known) {
    std::vector<std::string_view> named;
    for_each_piece(text, [&](std::string_view piece) {
        if (std::find(known.begin(), known.end(), piece) == known.end()) {
            throw WrongInput(fmt::format("{}: {} {}: '{}' is unknown; choose from {}", asked, what,
                                         text, piece, fmt::join(known, ",")));
        }
        named.push_back(piece);
    });
    std::vector<std::string> chosen;
    for (const std::string_view name : known) {
        if (std::find(named.begin(), named.end(), name) != named.end()) chosen.emplace_back(name);
    }
    return chosen;
}

}  // namespace onecopy::cli
