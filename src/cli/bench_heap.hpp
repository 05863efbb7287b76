// `onecopy bench heap`: what a program's malloc costs it, with the plain malloc and with the
// preloaded one whose large blocks are attachable.
//
// The program (bench/heap_driver.cpp) is started in each way for each work and size, and the two
// take turns, block by block of some milliseconds, on the same core: a change of the machine's mood
// hits both. And several such pairs run one after the other: where the pages of one process happen
// to lie in a shared cache decides blocks of its size.
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

std::span<const std::string_view> heap_work_names() noexcept;
std::span<const std::string_view> heap_way_names() noexcept;

struct HeapBench {
    std::string driver;                // the program
    std::string library;               // to be preloaded; empty: the way `onecopy` is left out
    std::vector<std::string> works;    // of heap_work_names()
    std::vector<std::string> ways;     // of heap_way_names()
    std::vector<std::uint64_t> sizes;  // of a block, ascending; growing blocks end at the last
    std::vector<std::uint64_t> fork_sizes = {0, std::uint64_t{1} << 30};  // touched by who forks
    int processes = 5;           // of each way, one after the other
    int blocks = 11;             // samples of each process
    double block_us = 10'000;    // how long one should last
    double budget_us = 250'000;  // how long those of a process may last, but for two
};

/// What of this build or installation belongs to the tool: the driver and the library, each empty
/// if it is not there.
void find_heap_programs(HeapBench& bench);

/// Measures, and prints the rows of each work as soon as it is done. Throws Failure.
Report run_heap_bench(const HeapBench& bench, std::FILE* out);

/// What the rows say about the claim made for the preloaded malloc.
std::vector<Verdict> judge_heap(std::span<const Row> rows);

/// Adds `heap` to the command `bench`.
void add_bench_heap(CLI::App& bench, int& exit_status);

}  // namespace onecopy::cli
