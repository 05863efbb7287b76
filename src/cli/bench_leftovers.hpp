// What processes leave behind: who still holds a piece of memory, and how much of it the machine
// has.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <vector>

namespace onecopy::cli {

/// The processes other than this one that have one of these files mapped or open, by the files'
/// inodes. Only memfds are looked at. One that we may not look into is not found (it is another
/// user's). Source: proc(5), /proc/PID/maps, /proc/PID/fd.
std::vector<pid_t> holders_of_memory(std::span<const std::uint64_t> inodes);

/// All shared memory of the machine, in bytes: the least of some looks, since others come and go.
/// Takes a while. 0 where it cannot be read. Source: proc(5), /proc/meminfo, "Shmem".
std::uint64_t least_shared_memory();

}  // namespace onecopy::cli
