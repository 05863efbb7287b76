// `onecopy bench transfer`: the ways of moving a message between processes, side by side.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "cli/bench_report.hpp"
#include "cli/bench_ways.hpp"

namespace onecopy::cli {

struct TransferBench {
    std::vector<std::string> works;    // of work_names()
    std::vector<std::string> ways;     // of transfer_way_names()
    std::vector<std::uint64_t> sizes;  // ascending
    std::uint64_t repetitions = 0;     // of each combination; 0: as many as fit into a time
    bool quick = false;                // a tenth of that time
    std::string corrupt;               // for tests: this way delivers one wrong byte a message
};

/// The bytes that all senders of an incast together may have under way.
inline constexpr std::uint64_t incast_bytes = 64U << 20;

/// Measures, and prints the rows of each work as soon as it is done. Only for callers with a single
/// thread. Throws Failure.
Report run_transfer_bench(const TransferBench& bench, std::FILE* out);

/// What the rows of read and reduce say about the claims made for this library; see docs/bench.md.
std::vector<Verdict> judge_transfer(std::span<const Row> rows);

/// The size at which an incast is judged: the largest from 64 KiB, where starting the processes no
/// longer decides, to 256 KiB, which the caches of one core hold. 0 if none of `sizes` is.
std::uint64_t judged_incast_bytes(std::span<const std::uint64_t> sizes) noexcept;

/// Whether the writers of `together` get in each other's way: how many times as fast they are as
/// the same writers one after the other. Serialised writers reach 1, perfect ones the number of
/// cores (or of writers, if fewer); the limit lies half-way.
Verdict judge_incast(const Row& together, const Row& in_turn, int cores);

/// Adds `transfer` to the command `bench`.
void add_bench_transfer(CLI::App& bench, int& exit_status);

}  // namespace onecopy::cli
