// Which pages of a mapping a dump reads, so that looking at a process does not make it grow: a
// read of a page of shared memory that nobody has touched allocates it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "os/mounts.hpp"
#include "os/page_map.hpp"
#include "os/regions.hpp"

namespace onecopy::cli {

/// Addresses [begin, end), page-aligned.
struct PageRun {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;

    [[nodiscard]] std::uint64_t bytes() const noexcept { return end - begin; }
    bool operator==(const PageRun&) const = default;
};

/// What to read of a region; the rest of it reads as zeros.
struct PagePlan {
    std::vector<PageRun> runs;  ///< ascending, disjoint
    /// Bytes of shared memory that this process has not touched. Others may have, but that cannot
    /// be found out without the right to open the memory itself, so they are not read.
    std::uint64_t unknown_bytes = 0;
};

/// The union of two ascending lists of runs.
std::vector<PageRun> merged(const std::vector<PageRun>& a, const std::vector<PageRun>& b);

/// Joins neighbours that are less than `gap` bytes apart: fewer, longer runs.
std::vector<PageRun> joined(const std::vector<PageRun>& runs, std::uint64_t gap);

/// Plans the pages of `region` of the process behind `proc_directory`. With `everything`
/// shared memory is read whole, whatever that allocates in the target.
PagePlan plan_pages(const std::string& proc_directory, const os::Region& region,
                    const std::vector<os::Mount>& mounts, os::PageMap& page_map, bool everything);

}  // namespace onecopy::cli
