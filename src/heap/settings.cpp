#include "heap/settings.hpp"

#include <charconv>

namespace onecopy::heap {

std::optional<std::size_t> parse_threshold(std::string_view text) noexcept {
    std::size_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{}) return {};
    unsigned shift = 0;
    const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
    if (unit == "K" || unit == "KiB") {
        shift = 10;
    } else if (unit == "M" || unit == "MiB") {
        shift = 20;
    } else if (unit == "G" || unit == "GiB") {
        shift = 30;
    } else if (!unit.empty()) {
        return {};
    }
    if (value < (least_threshold >> shift) || value == 0 || value > (SIZE_MAX >> 1) >> shift) {
        return {};
    }
    return value << shift;
}

Settings read_settings(const char* (*variable)(const char* name)) noexcept {
    Settings settings;
    const auto is = [&](const char* name, std::string_view value) {
        const char* const set = variable(name);
        return set != nullptr && set == value;
    };
    settings.off = is("ONECOPY", "0") || is("ONECOPY_HEAP", "0");
    settings.statistics = is("ONECOPY_HEAP_STATS", "1");
    const char* const threshold = variable("ONECOPY_HEAP_THRESHOLD");
    if (threshold != nullptr && *threshold != '\0') {
        const auto parsed = parse_threshold(threshold);
        if (parsed) {
            settings.threshold_bytes = *parsed;
        } else {
            settings.bad_threshold = threshold;
        }
    }
    return settings;
}

}  // namespace onecopy::heap
