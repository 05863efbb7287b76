// `onecopy bench ranks`: what a job of ranks costs, and what becomes of it when one is killed.
//
// The ranks are programs of their own (bench/ranks), linked as a user's are, and write what they
// saw onto a board that they share with the bench (bench_ranks_board.hpp).
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/bench_report.hpp"

namespace onecopy::cli {

std::span<const std::string_view> ranks_work_names() noexcept;

struct RanksBench {
    std::string tool;                // whose `run` starts the ranks
    std::string driver;              // what they are
    std::string empty;               // the program with nothing in it
    std::vector<std::string> works;  // of ranks_work_names()
    int ranks = 1024;                // of `start`, `collectives` and the larger job of `memory`
    int peers = 10;                  // that a rank of `memory` talks to; even
    int rounds = 200;                // of each kind of kill, with each number of ranks
    std::vector<int> kill_ranks = {2, 4};
    int guard_ms = 10'000;         // how long a rank may take to hear of a death, or to end
    int start_guard_ms = 300'000;  // how long a job of `start` or `memory` may take
};

/// What of this build or installation belongs to the tool; empty what is not there.
void find_ranks_programs(RanksBench& bench);

/// Measures, and prints the figures of each work as soon as it is done. Throws Failure.
Report run_ranks_bench(const RanksBench& bench, std::FILE* out);

/// The works, each of which adds its figures, notes and failures.
void measure_start(const RanksBench& bench, Report& report);
void measure_collectives(const RanksBench& bench, Report& report);
void measure_memory(const RanksBench& bench, Report& report);
/// `work`: kill, or kill_collectives.
void measure_kill(const RanksBench& bench, const std::string& work, Report& report);

/// What `what` is in the figures that are judged.
namespace figure_names {
inline constexpr std::string_view ended = "the launcher has ended";
inline constexpr std::string_view above_empty = "above an empty process";
inline constexpr std::string_view to_error = "from the kill to a survivor's error";
inline constexpr std::string_view to_error_crowded = "the same, where ranks share cores";
inline constexpr std::string_view hanging = "survivors without the error";
inline constexpr std::string_view left = "processes that stayed, or hold its memory";
inline constexpr std::string_view shared_growth = "shared memory of the machine, more each round";
}  // namespace figure_names

/// What the figures say about the claims made for ranks.
std::vector<Verdict> judge_ranks(std::span<const Figure> figures);

/// Adds `ranks` to the command `bench`.
void add_bench_ranks(CLI::App& bench, int& exit_status);

}  // namespace onecopy::cli
