// The words and numbers that every bench takes on its command line, and prints.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace onecopy::cli {

/// "8 B", "64 KiB", "1.5 MiB".
std::string human_bytes(std::uint64_t bytes);

/// "8,1K,4KiB,1M" as bytes. Throws WrongInput, its line opened by `asked`, for what is no size,
/// for 0 and for more than `max_bytes`.
std::vector<std::uint64_t> parse_sizes(std::string_view asked, std::string_view text,
                                       std::uint64_t max_bytes);

/// "read,write" as the members of `known` it names, in the order of `known`. Throws WrongInput for
/// a name that is not known. `what` is the option's name for that line.
std::vector<std::string> parse_names(std::string_view asked, std::string_view what,
                                     std::string_view text,
                                     std::span<const std::string_view> known);

/// The same, or all of `known` where "all" is among the names.
std::vector<std::string> parse_choice(std::string_view asked, std::string_view what,
                                      std::string_view text,
                                      std::span<const std::string_view> known);

/// "2,4,8" as numbers of ranks from 2 to `most`, ascending; `even`: no others. Throws WrongInput.
std::vector<int> parse_ranks(std::string_view asked, std::string_view text, int most,
                             bool even = false);

/// Throws WrongInput, in our words, if the command line has more than `command` knows. (It must
/// have allowed extras.)
void refuse_rest(std::string_view asked, const CLI::App& command);

}  // namespace onecopy::cli
