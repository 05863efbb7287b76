// The cores that this process may use, and running on one of them.
#pragma once

#include <vector>

namespace onecopy::node {

/// Hardware threads, by the kernel's numbers, ascending.
using CpuSet = std::vector<int>;

/// The cores on which the calling thread may run (its affinity mask, which a cgroup's cpuset and
/// `taskset` narrow), each with those of its hardware threads that are allowed: in the order of
/// the topology, so that neighbours in the list share caches where the machine has such.
/// Empty where hwloc was told of another machine (HWLOC_XMLFILE, HWLOC_SYNTHETIC).
///
/// Some milliseconds. Any thread. Throws std::system_error where the topology cannot be read.
/// Source: hwloc, "Topology Detection Configuration and Query".
[[nodiscard]] std::vector<CpuSet> usable_cores();

/// Lets the calling thread, and whatever it starts, run on these alone. 0, or the errno of the
/// refusal: EINVAL, none of them may be used. Source: sched_setaffinity(2).
[[nodiscard]] int bind_to(const CpuSet& cpus) noexcept;

}  // namespace onecopy::node
