// `onecopy bench p2p`: messages between two processes, by our own communicator, by MPI and by what
// a C++ programmer would take instead. The drivers are in bench/p2p.
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

/// Works are of p2p_work_names(), ways of p2p_ways(), ranks even.
using P2pBench = JobBench;

std::span<const std::string_view> p2p_work_names() noexcept;

/// The sizes at which a work is measured.
std::vector<std::uint64_t> p2p_sizes(const P2pBench& bench, std::string_view work, int ranks);

/// See run_job_bench().
Report run_p2p_bench(const P2pBench& bench, std::FILE* out);

/// What the rows say about the claims made for our communicator.
std::vector<Verdict> judge_p2p(std::span<const Row> rows);

/// From which size on each way that copies nothing is the fastest in bandwidth, with two ranks, in
/// words; "" if none was measured.
std::string where_copying_nothing_wins(std::span<const Row> rows);

/// Adds `p2p` to the command `bench`.
void add_bench_p2p(CLI::App& bench, int& exit_status);

}  // namespace onecopy::cli
