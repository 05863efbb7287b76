// The options of the benches that compare ways by jobs of ranks.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cli/bench_job_group.hpp"
#include "cli/bench_report.hpp"

namespace onecopy::cli {

/// What the words of such a bench may be.
struct JobChoices {
    std::string_view asked;  // opens the lines of what is refused
    std::span<const std::string_view> works;
    std::span<const JobWay> ways;
    bool even_ranks = false;
};

/// As they were typed.
struct JobOptions {
    std::string works = "all";
    std::string ways = "all";
    std::optional<std::string> sizes;  // otherwise what suits each work
    std::string ranks = "2,4,8";
    int repetitions = 0;
    bool quick = false;
    ReportFiles files;

    void add(CLI::App& command);
    /// Throws WrongInput.
    [[nodiscard]] JobBench checked(const JobChoices& choices) const;
};

}  // namespace onecopy::cli
