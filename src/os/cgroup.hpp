// The control groups that limit this process.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace onecopy::os {

struct Cgroup {
    std::string directory;
    bool unified;  ///< of version 2
};

/// The groups of that controller ("memory", "cpu") that this process is in now, each from its own
/// up to the root, of both versions. Any thread. Throws std::bad_alloc. `proc_self`: its `cgroup`
/// and `mountinfo` say where to look, for tests. Source: cgroups(7); proc(5), /proc/PID/mountinfo.
std::vector<Cgroup> own_cgroups(std::string_view controller,
                                const std::string& proc_self = "/proc/self");

}  // namespace onecopy::os
