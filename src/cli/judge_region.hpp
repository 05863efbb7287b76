// What a reader would meet in a mapping of another process: plain memory, an error, or a wait that
// may never end. Pure.
#pragma once

#include <string>
#include <vector>

#include "os/mounts.hpp"
#include "os/regions.hpp"

namespace onecopy::cli {

enum class Hazard {
    none,
    not_readable,    ///< its protection forbids reading
    kernel_pages,    ///< [vvar], [vsyscall]: mapped, but nobody else may read them
    device,          ///< memory of a device
    outside_server,  ///< a file on FUSE or a network file system: a page may never come
    unknown_files,   ///< a file on a file system that is mounted nowhere any more: as before
    userfaultfd,     ///< a server inside of the target (or its tracer) hands out the pages
};

struct Judgement {
    Hazard hazard = Hazard::none;
    std::string why;  ///< "on a fuse.sshfs file system"; empty for none

    /// Whether a reader can wait there for ever.
    [[nodiscard]] bool can_block() const noexcept {
        return hazard == Hazard::outside_server || hazard == Hazard::unknown_files ||
               hazard == Hazard::userfaultfd;
    }
};

/// `mounts` are those of the target, followed by ours if they differ.
Judgement judge_region(const os::Region& region, const std::vector<os::Mount>& mounts);

/// Whether the mapping's pages live in shared memory (memfd, tmpfs, System V, MAP_SHARED without a
/// file): reading one that nobody has touched makes it.
bool is_shared_memory(const os::Region& region, const std::vector<os::Mount>& mounts);

/// The mounts by which the regions of process `pid` are judged.
std::vector<os::Mount> mounts_of(int pid);

/// "rw-p", as in /proc/PID/maps.
std::string permissions_text(const os::Region& region);

/// The name as a terminal can show it, "(anonymous)" for none.
std::string name_text(const os::Region& region);

}  // namespace onecopy::cli
