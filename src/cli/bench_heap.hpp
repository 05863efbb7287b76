// `onecopy bench heap`: what a program's malloc costs it, with the plain malloc and with the
// preloaded one whose large blocks are attachable.
//
// The program (bench/heap_driver.cpp) is started once in each way for each work and size, and the
// two take turns, block by block of some milliseconds, on the same core: a change of the machine's
// mood hits both.
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
    std::vector<std::string> works;    // of heap_work_names()
    std::vector<std::string> ways;     // of heap_way_names()
    std::vector<std::uint64_t> sizes;  // of a block, ascending; growing blocks end at the last
    std::vector<std::uint64_t> fork_sizes = {0, std::uint64_t{1} << 30};  // touched by who forks
    int blocks = 41;                                                      // samples of each way
    double block_us = 10'000;    // how long one should last
    double size_us = 2'000'000;  // how long all of one size and way may last; never below 5 samples
};

/// Measures, and prints the rows of each work as soon as it is done. Throws Failure.
Report run_heap_bench(const HeapBench& bench, std::FILE* out);

/// What the rows say about the claim made for the preloaded malloc.
std::vector<Verdict> judge_heap(std::span<const Row> rows);

/// Adds `heap` to the command `bench`.
void add_bench_heap(CLI::App& bench, int& exit_status);

}  // namespace onecopy::cli
