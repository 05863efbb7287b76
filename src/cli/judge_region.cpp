#include "cli/judge_region.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/terminal.hpp"

namespace onecopy::cli {
namespace {

/// Files of the kernel's own making, on file systems that are mounted nowhere.
constexpr std::array<std::string_view, 4> shared_memory_names{"/memfd:", "/dev/zero", "/SYSV",
                                                              "/anon_hugepage"};
constexpr std::array<std::string_view, 5> other_internal_names{"anon_inode:", "/[aio]",
                                                               "socket:", "/dmabuf:", "/drm"};

template <std::size_t N>
bool starts_with_any(std::string_view name, const std::array<std::string_view, N>& beginnings) {
    return std::any_of(beginnings.begin(), beginnings.end(),
                       [&](std::string_view one) { return name.starts_with(one); });
}

/// Device numbers with major 0 are handed out to file systems without a block device: only among
/// those are the ones that somebody outside of the kernel serves (fuseblk is told by its mount).
bool has_block_device(const os::Region& region) { return region.device_major != 0; }

}  // namespace

Judgement judge_region(const os::Region& region, const std::vector<os::Mount>& mounts) {
    if (!region.readable) return {Hazard::not_readable, "its protection forbids reading"};
    if (region.name.starts_with("[vvar") || region.name == "[vsyscall]") {
        return {Hazard::kernel_pages, "a page of the kernel's that nobody else may read"};
    }
    if (region.device) return {Hazard::device, "memory of a device"};
    if (region.uffd_missing || region.uffd_minor) {
        return {Hazard::userfaultfd, "served by userfaultfd"};
    }
    if (region.inode == 0) return {};
    const os::Mount* mount = os::find_mount(mounts, region.device_major, region.device_minor);
    if (mount != nullptr) {
        if (!os::can_block_for_ever(mount->type)) return {};
        return {Hazard::outside_server, fmt::format("on a {} file system", mount->type)};
    }
    if (has_block_device(region) || starts_with_any(region.name, shared_memory_names) ||
        starts_with_any(region.name, other_internal_names)) {
        return {};
    }
    return {Hazard::unknown_files, "on a file system that is mounted nowhere any more"};
}

bool is_shared_memory(const os::Region& region, const std::vector<os::Mount>& mounts) {
    if (region.inode == 0) return false;
    const os::Mount* mount = os::find_mount(mounts, region.device_major, region.device_minor);
    if (mount != nullptr) return mount->type == "tmpfs" || mount->type == "hugetlbfs";
    return starts_with_any(region.name, shared_memory_names);
}

std::vector<os::Mount> mounts_of(int pid) {
    std::error_code error;
    std::vector<os::Mount> mounts = os::read_mounts(std::to_string(pid), error);
    // A container's program may have been mapped before it lost sight of its file system.
    std::vector<os::Mount> ours = os::read_mounts("self", error);
    mounts.insert(mounts.end(), std::make_move_iterator(ours.begin()),
                  std::make_move_iterator(ours.end()));
    return mounts;
}

std::string permissions_text(const os::Region& region) {
    return {region.readable ? 'r' : '-', region.writable ? 'w' : '-', region.executable ? 'x' : '-',
            region.shared ? 's' : 'p'};
}

std::string name_text(const os::Region& region) {
    return region.name.empty() ? "(anonymous)" : printable(region.name);
}

}  // namespace onecopy::cli
