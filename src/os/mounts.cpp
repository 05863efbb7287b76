#include "os/mounts.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "os/process_status.hpp"

namespace onecopy::os {
namespace {

/// FUSE has subtypes ("fuse.sshfs") and is told by its beginning; the rest are network, cluster
/// and host file systems of Linux and of the vendors whose modules are common on such machines.
constexpr std::array<std::string_view, 24> served_from_outside{
    "nfs",  "nfs4",  "cifs",   "smb3",   "smbfs",     "9p",           "virtiofs", "ceph",
    "afs",  "coda",  "lustre", "gpfs",   "beegfs",    "beegfs_nodev", "orangefs", "pvfs2",
    "gfs2", "ocfs2", "panfs",  "wekafs", "glusterfs", "ncpfs",        "vboxsf",   "vmhgfs"};

std::string_view take_field(std::string_view& line) noexcept {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view field = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return field;
}

/// The kernel writes blanks, tabs, newlines and backslashes of a path as \ooo.
std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned code = 0;
        if (text[i] == '\\' && i + 3 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr ==
                text.data() + i + 4) {
            out += static_cast<char>(code);
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

}  // namespace

bool parse_mount(std::string_view line, Mount& mount) {
    take_field(line);  // mount id
    take_field(line);  // its parent
    const std::string_view device = take_field(line);
    const char* end = device.data() + device.size();
    const auto major = std::from_chars(device.data(), end, mount.device_major);
    if (major.ec != std::errc{} || major.ptr == end || *major.ptr != ':') return false;
    if (std::from_chars(major.ptr + 1, end, mount.device_minor).ptr != end) return false;
    take_field(line);  // root of the mount inside of its file system
    mount.point = unescaped(take_field(line));
    const std::size_t dash = line.find(" - ");  // any number of optional fields before it
    if (dash == std::string_view::npos) return false;
    line.remove_prefix(dash + 3);
    mount.type = take_field(line);
    return !mount.type.empty();
}

std::vector<Mount> read_mounts(std::string_view process, std::error_code& error) {
    std::vector<Mount> mounts;
    const std::string text = read_small_file("/proc/" + std::string(process) + "/mountinfo", error);
    std::string_view rest = text;
    while (!rest.empty()) {
        const std::size_t eol = std::min(rest.find('\n'), rest.size());
        Mount mount;
        if (parse_mount(rest.substr(0, eol), mount)) mounts.push_back(std::move(mount));
        rest.remove_prefix(std::min(eol + 1, rest.size()));
    }
    return mounts;
}

const Mount* find_mount(const std::vector<Mount>& mounts, unsigned device_major,
                        unsigned device_minor) noexcept {
    const auto found = std::find_if(mounts.begin(), mounts.end(), [&](const Mount& mount) {
        return mount.device_major == device_major && mount.device_minor == device_minor;
    });
    return found == mounts.end() ? nullptr : &*found;
}

bool can_block_for_ever(std::string_view type) noexcept {
    return type.starts_with("fuse") ||
           std::find(served_from_outside.begin(), served_from_outside.end(), type) !=
               served_from_outside.end();
}

}  // namespace onecopy::os
