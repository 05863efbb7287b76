// `onecopy bench p2p`: messages between two processes, by our own communicator, by MPI and by what
// a C++ programmer would take instead.
//
// One driver (bench/p2p) is compiled with each library; the jobs of all ways are alive at the same
// time and take turns, block by block (bench_turns.hpp).
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/bench_report.hpp"

namespace onecopy::cli {

std::span<const std::string_view> p2p_work_names() noexcept;

struct P2pBench {
    std::vector<std::string> works;    // of p2p_work_names()
    std::vector<std::string> ways;     // of p2p_way_names()
    std::vector<std::uint64_t> sizes;  // of a message, ascending; empty: each work's own
    std::vector<int> ranks = {2};      // of a job; even
    int rounds = 0;                    // of all ways at each point; 0: what the budget allows
    int least_rounds = 8;              // whatever the budget
    double budget_ms = 1000;           // of a point
    int guard_ms = 30'000;             // how long a job may take to come up, or for a block
    std::string corrupt;               // way whose messages get a wrong byte: for tests
    std::map<std::string, std::vector<std::string>>
        instead;  // way: command of its ranks, for tests
};

/// The sizes at which a work is measured.
std::vector<std::uint64_t> p2p_sizes(const P2pBench& bench, std::string_view work, int ranks);

/// Measures, and prints the rows of each work as soon as it is done. A way that is not there, does
/// not come up or does not answer is left out, with a note. Throws Failure.
Report run_p2p_bench(const P2pBench& bench, std::FILE* out);

/// The fastest of MPI's settings at the point of `row`, or null.
const Row* best_mpi(std::span<const Row> rows, const Row& row) noexcept;

/// What the rows say about the claims made for our communicator.
std::vector<Verdict> judge_p2p(std::span<const Row> rows);

/// Where each of our ways stands worst against the best setting of MPI, with two ranks: a note
/// each.
std::vector<std::string> worst_of_p2p(std::span<const Row> rows);

/// From which size on each way that copies nothing is the fastest in bandwidth, with two ranks, in
/// words; "" if none was measured.
std::string where_copying_nothing_wins(std::span<const Row> rows);

/// Adds `p2p` to the command `bench`.
void add_bench_p2p(CLI::App& bench, int& exit_status);

}  // namespace onecopy::cli
