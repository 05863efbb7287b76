// The claims made for ranks, held against the figures of `onecopy bench ranks`.
#include <fmt/format.h>

#include "cli/bench_ranks_works.hpp"

namespace onecopy::cli {
namespace {

constexpr double start_s = 60;
constexpr double memory_mib = 1;
constexpr double error_ms = 100;
constexpr double error_crowded_ms = 500;
/// Half of the least that a killed rank could leave: the arena of one whose messages were touched.
constexpr double growth_mib = 0.25;

Verdict at_most(std::string name, double value, double limit) {
    return {std::move(name), value, limit, value <= limit, true};
}

}  // namespace

std::vector<Verdict> judge_ranks(std::span<const Figure> figures) {
    using namespace figure_names;
    std::vector<Verdict> verdicts;
    for (const Figure& figure : figures) {
        const auto says = [&](std::string name, double value, double limit) {
            verdicts.push_back(at_most(std::move(name), value, limit));
        };
        if (figure.what == ended) {
            says(fmt::format("{}: {} ranks start, meet, exchange and end, in s", figure.work,
                             figure.ranks),
                 figure.worst, start_s);
        } else if (figure.what == above_empty) {
            says(fmt::format("memory: a rank of {} above an empty process, the worst, in MiB",
                             figure.ranks),
                 figure.worst / 1024, memory_mib);
        } else if (figure.what == to_error || figure.what == to_error_crowded) {
            const bool crowded = figure.what == to_error_crowded;
            says(fmt::format("{}: one of {} ranks{}: the worst time to an error, in ms",
                             figure.work, figure.ranks, crowded ? ", on fewer cores" : ""),
                 figure.worst, crowded ? error_crowded_ms : error_ms);
        } else if (figure.what == hanging || figure.what == left) {
            says(fmt::format("{}: one of {} ranks: {}", figure.work, figure.ranks, figure.what),
                 figure.worst, 0);
        } else if (figure.what == shared_growth) {
            says(fmt::format("{}: one of {} ranks: {}, in MiB", figure.work, figure.ranks,
                             figure.what),
                 figure.worst, growth_mib);
        }
    }
    return verdicts;
}

}  // namespace onecopy::cli
