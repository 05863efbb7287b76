// The memory map of a process, as /proc/PID/maps tells it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <system_error>

namespace onecopy::os {

/// One mapping. `name` is the file, "[heap]", "[stack]", "[vdso]" ... or empty; it is valid only
/// during the callback it is handed to.
struct Map {
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
    std::string_view name;
};

/// Parses one line of a maps file; false if it is none. Source: proc(5), /proc/PID/maps.
bool parse_map(std::string_view line, Map& map) noexcept;

/// Calls `visit` with each mapping of an open /proc/PID/maps descriptor, from its start, in order
/// of address; stops early when it returns false. The list is not one snapshot: the kernel reads it
/// page by page. Allocates. Error: that of the read.
std::error_code for_each_map(int maps_fd, const std::function<bool(const Map&)>& visit);

/// The mapping that holds `address`, without its name. False if there is none or it cannot be told.
/// One ioctl where the kernel has it (PROCMAP_QUERY, 6.11), else the text is read; no allocation.
/// `maps_fd` is an open /proc/PID/maps; it stays bound to the memory image it was opened on.
bool find_map(int maps_fd, std::uint64_t address, Map& map) noexcept;

/// The same by the ioctl alone: 0; ENOENT, nothing is mapped there; ESRCH, the image is gone;
/// ENOTTY or the like where the kernel has no such question. 0.4 us.
int query_map(int maps_fd, std::uint64_t address, Map& map) noexcept;

}  // namespace onecopy::os
