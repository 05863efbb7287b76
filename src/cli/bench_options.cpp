#include "cli/bench_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "cli/errors.hpp"
#include "os/byte_count.hpp"

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

/// As it is shown in a complaint: what is empty would not be seen.
std::string_view shown(std::string_view text) { return text.empty() ? "\"\"" : text; }

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
        const std::uint64_t bytes = os::byte_count(piece).value_or(0);
        if (bytes == 0 || bytes > max_bytes) {
            throw WrongInput(
                fmt::format("{}: --sizes {}: '{}' is no size between 1 and {}; write "
                            "a list like 8,1K,64K,4M",
                            asked, shown(text), piece, human_bytes(max_bytes)));
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
                                         shown(text), piece, fmt::join(known, ",")));
        }
        named.push_back(piece);
    });
    std::vector<std::string> chosen;
    for (const std::string_view name : known) {
        if (std::find(named.begin(), named.end(), name) != named.end()) chosen.emplace_back(name);
    }
    return chosen;
}

std::vector<std::string> parse_choice(std::string_view asked, std::string_view what,
                                      std::string_view text,
                                      std::span<const std::string_view> known) {
    constexpr std::string_view all = "all";
    bool has_all = false;
    for_each_piece(text, [&](std::string_view piece) { has_all = has_all || piece == all; });
    if (!has_all) return parse_names(asked, what, text, known);
    std::vector<std::string_view> and_all(known.begin(), known.end());
    and_all.push_back(all);
    parse_names(asked, what, text, and_all);  // a slip is one beside "all", too
    return {known.begin(), known.end()};
}

std::vector<int> parse_ranks(std::string_view asked, std::string_view text, int most, bool even) {
    std::vector<int> ranks;
    for_each_piece(text, [&](std::string_view piece) {
        int number = 0;
        const auto [end, error] =
            std::from_chars(piece.data(), piece.data() + piece.size(), number);
        if (error != std::errc() || end != piece.data() + piece.size() || number < 2 ||
            number > most || (even && number % 2 != 0)) {
            throw WrongInput(
                fmt::format("{}: --ranks {}: '{}' is no {}number from 2 to {}; write "
                            "2,4",
                            asked, shown(text), piece, even ? "even " : "", most));
        }
        ranks.push_back(number);
    });
    std::sort(ranks.begin(), ranks.end());
    ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
    return ranks;
}

void refuse_rest(std::string_view asked, const CLI::App& command) {
    const std::vector<std::string> rest = command.remaining();
    if (rest.empty()) return;
    throw WrongInput(
        fmt::format("{}: {} was not expected; `onecopy {} --help` tells how it is used", asked,
                    rest.front(), asked));
}

}  // namespace onecopy::cli
