// Writing all of a process's readable memory to an ELF core file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/core_file.hpp"
#include "cli/judge_region.hpp"
#include "cli/page_plan.hpp"
#include "onecopy/process.hpp"

namespace onecopy::cli {

struct LeftOut {
    os::Region region;
    Judgement judgement;
};

/// What goes into the file, before a byte was read.
struct DumpPlan {
    std::vector<CoreSegment> segments;
    std::vector<PageRun> runs;  ///< what is read; each lies within one segment
    std::vector<LeftOut> left_out;
    std::uint64_t runs_bytes = 0;
    std::uint64_t untouched_bytes = 0;  ///< zeros that need not be read
    std::uint64_t unknown_bytes = 0;    ///< shared memory that was not read: see PagePlan
};

/// What became of it.
struct DumpResult {
    std::uint64_t read_bytes = 0;
    std::uint64_t stored_bytes = 0;  ///< not zeros
    std::uint64_t unreadable_bytes = 0;
};

/// Regions at least this long (sanitizers and garbage collectors reserve terabytes) get a segment
/// for each part that exists instead of one: no file system takes a file of their length.
inline constexpr std::uint64_t reserved_bytes = std::uint64_t{1} << 38;

/// Adds a region, whose pages are planned already, to the dump.
void add_region(DumpPlan& plan, const os::Region& region, const PagePlan& pages);

/// Plans the dump of `pid`. With `everything`, mappings that can block for ever are included, and
/// pages that a read allocates are read. Throws Failure with `asked` in front.
DumpPlan plan_dump(const std::string& asked, int pid, bool everything);

/// Carries it out. Throws Failure if the process ended, was closed to us, or we were interrupted;
/// then there is no file.
DumpResult write_dump(const std::string& asked, const Process& process, const std::string& path,
                      DumpPlan& plan);

}  // namespace onecopy::cli
