#include "os/byte_count.hpp"

#include <charconv>
#include <system_error>

namespace onecopy::os {

std::optional<std::uint64_t> byte_count(std::string_view text) noexcept {
    constexpr std::uint64_t most = std::uint64_t{1} << 50;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    unsigned shift = 0;
    if (!text.empty()) {
        const std::size_t power = std::string_view("KMG").find(text.front());
        if (power != std::string_view::npos) {
            shift = static_cast<unsigned>(power + 1) * 10;
            text.remove_prefix(text.substr(1).starts_with('i') ? 2 : 1);
        }
    }
    if (!text.empty() && text != "B") return std::nullopt;
    if (number > most >> shift) return std::nullopt;
    return number << shift;
}

}  // namespace onecopy::os
