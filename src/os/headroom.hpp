// How much memory can still be taken before somebody is refused, or killed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "os/fd.hpp"

namespace onecopy::os {

/// The tightest of all limits that are known, and its name for a message.
struct Headroom {
    std::uint64_t bytes = UINT64_MAX;
    std::string_view limiter = "nothing";
};

/// Knows where this process's limits stand and asks them anew each time: the memory that the
/// machine has available; each memory cgroup from its own up to the root (version 1 or 2), in which
/// file pages that can be dropped count as free; and, where the kernel does not overcommit
/// (vm.overcommit_memory = 2), what may still be committed.
///
/// It matters because past a memory cgroup's limit the kernel kills: not even fallocate returns an
/// error there. What it says is true for the moment: other processes of the cgroup go on taking.
///
/// The cgroup is that of the moment of construction. Not for several threads at once.
/// Source: proc(5), /proc/meminfo; Linux, Documentation/admin-guide/cgroup-v1/memory.rst and
/// cgroup-v2.rst.
class HeadroomWatch {
public:
    /// `proc_self`: its `cgroup` and `mountinfo` say where to look; `meminfo` and `overcommit` are
    /// files. For tests; the defaults are the machine's. Holds up to three descriptors a cgroup.
    explicit HeadroomWatch(const std::string& proc_self = "/proc/self",
                           const std::string& meminfo = "/proc/meminfo",
                           const std::string& overcommit = "/proc/sys/vm/overcommit_memory");

    /// A few system calls a limit; 20 to 60 us in all. Does not allocate.
    [[nodiscard]] Headroom ask() const noexcept;

private:
    struct Group {
        Fd limit, usage, statistics;
        std::string_view droppable[2];  ///< the lines of the statistics that count as free
        std::string_view name;
    };
    void add_group(const std::string& directory, bool unified);

    Fd meminfo_, overcommit_;
    std::vector<Group> groups_;
};

/// Parts of it, for tests.

/// Finds "Name:   123 kB" (or "name 123") in a text of lines; false if it is not there.
bool find_number(std::string_view text, std::string_view name, std::uint64_t& value) noexcept;

}  // namespace onecopy::os
