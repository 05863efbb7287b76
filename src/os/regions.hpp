// The memory map of a process with what the kernel says of each mapping beyond its line in maps:
// the flags that tell whether a read of it can fail, block or allocate.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace onecopy::os {

/// One mapping and its flags. As os::Map, but it owns its name.
struct Region {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool readable = false;
    bool writable = false;
    bool executable = false;
    bool shared = false;
    std::uint64_t offset = 0;
    unsigned device_major = 0;
    unsigned device_minor = 0;
    std::uint64_t inode = 0;
    std::string name;

    // From VmFlags; all false where the kernel does not tell (it was built without smaps).
    bool flags_known = false;
    bool uffd_missing = false;        ///< um: a read of an untouched page waits for its server
    bool uffd_minor = false;          ///< ui: the same for pages not yet mapped
    bool uffd_write_protect = false;  ///< uw: only writes wait
    bool device = false;              ///< io or pf: device memory, which nobody else may read
    bool huge_pages = false;          ///< ht: from the hugetlb pool

    [[nodiscard]] std::uint64_t bytes() const noexcept { return end - begin; }
};

/// Takes the flags of a "VmFlags: rd wr mr ..." line. False if `line` is none.
/// Source: proc(5), /proc/PID/smaps.
bool parse_vm_flags(std::string_view line, Region& region) noexcept;

/// All mappings of the process whose directory in /proc this is, in order of address: from smaps,
/// or from maps where there is none. Not one snapshot. Error: that of open or read; a process that
/// has ended or is a kernel thread has none, without error.
std::vector<Region> read_regions(const std::string& proc_directory, std::error_code& error);

/// The same without the flags: from maps, which is much faster for a process with much memory (to
/// write smaps the kernel looks at every page).
std::vector<Region> read_maps(const std::string& proc_directory, std::error_code& error);

}  // namespace onecopy::os
