// Which file system a mapped file lives on, by the device number that a maps file shows.
#pragma once

#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace onecopy::os {

struct Mount {
    unsigned device_major = 0;
    unsigned device_minor = 0;
    std::string type;   ///< "ext4", "fuse.sshfs", "nfs4", ...
    std::string point;  ///< where it is mounted, as seen by the process asked
};

/// Parses one line of a mountinfo file; false if it is none. Source: proc(5), /proc/PID/mountinfo.
bool parse_mount(std::string_view line, Mount& mount);

/// All mounts that the process sees. `process` is "self" or a number. Error: that of the read.
std::vector<Mount> read_mounts(std::string_view process, std::error_code& error);

/// The mount of a device number, or nullptr.
const Mount* find_mount(const std::vector<Mount>& mounts, unsigned device_major,
                        unsigned device_minor) noexcept;

/// Whether a page of a file on this type of file system may never come: somebody outside of this
/// kernel serves it (a FUSE daemon, another machine), and a reader waits for him uninterruptibly.
bool can_block_for_ever(std::string_view file_system_type) noexcept;

}  // namespace onecopy::os
