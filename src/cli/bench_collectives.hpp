// `onecopy bench collectives`: calls that all ranks make together, ours beside MPI's and Gloo's.
// The drivers are in bench/collectives.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/bench_job_group.hpp"

namespace onecopy::cli {

/// Works are of collectives_work_names(), ways of collectives_ways(), sizes multiples of 8.
using CollectivesBench = JobBench;

std::span<const std::string_view> collectives_work_names() noexcept;

/// All ways, in the order of the report.
std::span<const JobWay> collectives_ways() noexcept;

/// Whether a way can do a work.
bool does_collective(std::string_view way, std::string_view work) noexcept;

/// The sizes at which a work is measured: of a rank's vector, or of one rank's part of it.
std::vector<std::uint64_t> collectives_sizes(const CollectivesBench& bench, std::string_view work,
                                             int ranks);

/// See run_job_bench().
Report run_collectives_bench(const CollectivesBench& bench, std::FILE* out);

/// What the rows say about the claims made for our communicator.
std::vector<Verdict> judge_collectives(std::span<const Row> rows);

/// How much of the communication each overlap hid behind the computing, in words: a note for each
/// work and number of ranks.
std::vector<std::string> hidden_by_computing(std::span<const Row> rows);

/// Adds `collectives` to the command `bench`.
void add_bench_collectives(CLI::App& bench, int& exit_status);

}  // namespace onecopy::cli
