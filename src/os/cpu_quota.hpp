// How much processor time a control group leaves to this process.
#pragma once

#include <cstdint>
#include <string>

namespace onecopy::os {

struct CpuQuota {
    std::uint64_t millicores = UINT64_MAX;  ///< a thousandth of a core's time each; UINT64_MAX: all
    std::uint64_t group = 0;  ///< a number for the group that says so, on this machine
};

/// The tightest of all groups this process is in now. Any thread. Throws std::bad_alloc.
/// Source: Linux, Documentation/admin-guide/cgroup-v2.rst, cpu.max; Documentation/scheduler/
/// sched-bwc.rst, cpu.cfs_quota_us. `proc_self` as in own_cgroups().
CpuQuota cpu_quota(const std::string& proc_self = "/proc/self");

}  // namespace onecopy::os
