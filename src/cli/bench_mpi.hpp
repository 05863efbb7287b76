// `onecopy bench mpi`: reductions of an unmodified MPI program, with the MPI as installed, with its
// single copy switched off, and with onecopy preloaded.
//
// Each way is a job of its own, started by mpirun; the jobs of all ways take turns, round by round,
// so that a change of the machine's mood hits all alike. The program is bench/mpi_driver.cpp.
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

std::span<const std::string_view> mpi_work_names() noexcept;
std::span<const std::string_view> mpi_way_names() noexcept;

struct MpiBench {
    std::vector<std::string> works;    // of mpi_work_names()
    std::vector<std::string> ways;     // of mpi_way_names()
    std::vector<std::uint64_t> sizes;  // of one rank's array, multiples of 8, ascending
    std::vector<int> ranks;            // of a job
    int rounds = 5;                    // jobs of each way
    int repetitions = 40;              // operations of a size in a job; fewer above 1 MiB
};

/// What one job printed, by size.
struct MpiSamples {
    std::vector<double> us;
    bool verified = true;
};

/// Adds the driver's output to what earlier jobs of the same way measured. Throws Failure if it is
/// not what the driver prints for these sizes.
void add_samples(std::string_view output, std::span<const std::uint64_t> sizes,
                 std::map<std::uint64_t, MpiSamples>& samples);

/// Measures, and prints the rows of each work as soon as it is done. Throws Failure.
Report run_mpi_bench(const MpiBench& bench, std::FILE* out);

/// What the rows say about the claim made for the MPI front door.
std::vector<Verdict> judge_mpi(std::span<const Row> rows);

/// Adds `mpi` to the command `bench`.
void add_bench_mpi(CLI::App& bench, int& exit_status);

}  // namespace onecopy::cli
