#include "os/cpu_quota.hpp"

#include <sys/stat.h>

#include <fstream>
#include <optional>

#include "os/cgroup.hpp"

namespace onecopy::os {
namespace {

std::optional<std::uint64_t> number_from(std::istream& stream) {
    std::int64_t value = 0;
    if (!(stream >> value) || value <= 0) return {};  // "max", or -1 in version 1
    return static_cast<std::uint64_t>(value);
}

}  // namespace

CpuQuota cpu_quota(const std::string& proc_self) {
    CpuQuota least;
    for (const Cgroup& each : own_cgroups("cpu", proc_self)) {
        std::optional<std::uint64_t> quota, period;
        if (each.unified) {
            std::ifstream both(each.directory + "/cpu.max");
            quota = number_from(both);
            if (quota) period = number_from(both);
        } else {
            std::ifstream first(each.directory + "/cpu.cfs_quota_us");
            std::ifstream second(each.directory + "/cpu.cfs_period_us");
            quota = number_from(first);
            period = number_from(second);
        }
        struct stat facts {};
        if (!quota || !period || ::stat(each.directory.c_str(), &facts) != 0) continue;
        const std::uint64_t millicores = *quota * 1000 / *period;
        if (millicores < least.millicores) least = {millicores, facts.st_ino};
    }
    return least;
}

}  // namespace onecopy::os
