// One group of processes that measures one work of `onecopy bench transfer`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cli/bench_transfer.hpp"
#include "cli/bench_ways.hpp"

namespace onecopy::cli {

inline constexpr std::size_t max_senders = 8;

/// Measures `work` with `senders` senders (up to max_senders) and one receiver, bound to `cpus` in
/// turn, the receiver to the first. Adds to `report` its rows, a verdict on several senders, and a
/// note for each way that was refused. Throws Failure.
void measure_group(const TransferBench& bench, Work work, std::size_t senders,
                   std::vector<std::uint64_t> sizes, std::vector<std::string> ways,
                   std::span<const int> cpus, Report& report);

}  // namespace onecopy::cli
