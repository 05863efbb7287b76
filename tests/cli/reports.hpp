// What the tests of the benches do with reports.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "cli/bench_report.hpp"

namespace onecopy::cli {

/// The report of a bench that prints to nobody.
template <class Bench>
Report silently(Report (*run)(const Bench& bench, std::FILE* out), const Bench& bench) {
    std::FILE* nowhere = std::fopen("/dev/null", "we");
    Report report = run(bench, nowhere);
    std::fclose(nowhere);
    return report;
}

/// One whose repetitions all took as long.
inline Row row_of(std::string bench, std::string work, std::string way, int ranks,
                  std::uint64_t bytes, double median_us) {
    return {std::move(bench),
            std::move(work),
            std::move(way),
            ranks,
            bytes,
            median_us,
            median_us,
            median_us,
            1.0,
            3,
            true};
}

/// Whether a note has these words.
inline bool names(const Report& report, std::string_view words) {
    return std::any_of(report.notes.begin(), report.notes.end(), [&](const std::string& note) {
        return note.find(words) != std::string::npos;
    });
}

/// The note that says why a way is left out; "" if it is not.
inline std::string reason(const Report& report, std::string_view way) {
    for (const std::string& note : report.notes) {
        const std::size_t at = note.find(std::string(way) + " is left out: ");
        // At the beginning, or behind the number of ranks.
        if (at != std::string::npos && (at == 0 || note[at - 1] == ' ')) return note;
    }
    return {};
}

}  // namespace onecopy::cli
