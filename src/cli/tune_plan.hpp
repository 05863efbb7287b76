// What `onecopy tune` measures where, and what it makes of the times: no process is needed for
// either.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "node/topology.hpp"
#include "node/ways.hpp"

namespace onecopy::cli {

/// Two CPUs, by the kernel's numbers.
struct CpuPair {
    int one, other;
    friend bool operator==(const CpuPair&, const CpuPair&) = default;
};

/// Pairs of CPUs at that distance, no CPU twice: as many as there are, found from the first core
/// on. For all distances but same_core one hardware thread of each core.
std::vector<CpuPair> pairs_at(os::Distance distance, std::span<const node::CpuSet> cores,
                              const std::function<os::Distance(int, int)>& between);

/// The message that stands for each class of sizes, in bytes.
inline constexpr std::array<std::uint64_t, node::size_classes> class_bytes{
    16U << 10, 64U << 10, 256U << 10, 1U << 20, 4U << 20, 16U << 20};

/// A difference up to this leaves the default as it is.
inline constexpr double tie = 1.05;

/// Seconds of one message (any unit will do): [candidate][size].
using Times = std::vector<std::vector<double>>;

/// The candidate that is fastest over all sizes, by the geometric mean; `standard` unless another
/// one beats it by more than a tie.
std::size_t choose_overall(const Times& times, std::size_t standard);

/// At each size the fastest candidate; `standard` unless another one beats it by more than a tie.
std::vector<std::size_t> choose_each(const Times& times, std::size_t standard);

/// The smallest of `bytes` (ascending) from which on it is faster if both copy; `most` if it never
/// is. A size at which they tie counts for `standard`.
std::uint64_t choose_shared_from(std::span<const std::uint64_t> bytes,
                                 std::span<const double> alone, std::span<const double> both,
                                 std::uint64_t standard, std::uint64_t most);

/// The lower quartile: what others do on the machine only adds. Of at least one.
double lower_quartile(std::vector<double> samples);

}  // namespace onecopy::cli
