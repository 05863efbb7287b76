// The processor time that control groups leave, by trees of files made for the purpose.
#include "os/cpu_quota.hpp"

#include <gtest/gtest.h>

#include "os/synthetic_machine.hpp"

namespace onecopy::test {
namespace {

class CpuQuota : public SyntheticMachine {
protected:
    [[nodiscard]] os::CpuQuota ask() const { return os::cpu_quota(root_ / "self"); }
};

TEST_F(CpuQuota, OfVersion2IsTheTightestOfAllGroupsUpwards) {
    mount("cgroup2", "nsdelegate");
    put("self/cgroup", "0::/job/step\n");
    put("cg/job/step/cpu.max", "max 100000\n");
    put("cg/job/cpu.max", "150000 100000\n");
    const os::CpuQuota job = ask();
    EXPECT_EQ(job.millicores, 1500U);
    EXPECT_NE(job.group, 0U);
    put("cg/job/step/cpu.max", "25000 50000\n");
    EXPECT_EQ(ask().millicores, 500U);
    EXPECT_NE(ask().group, job.group);
}

TEST_F(CpuQuota, OfVersion1HasQuotaAndPeriodInFilesOfTheirOwn) {
    mount("cgroup", "cpu,cpuacct");
    put("self/cgroup", "4:memory:/other\n5:cpu,cpuacct:/a\n0::/\n");
    put("cg/cpu.cfs_quota_us", "-1\n");
    put("cg/cpu.cfs_period_us", "100000\n");
    put("cg/a/cpu.cfs_quota_us", "300000\n");
    put("cg/a/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(ask().millicores, 3000U);
}

TEST_F(CpuQuota, IsUnlimitedWhereNothingSaysSo) {
    EXPECT_EQ(ask().millicores, UINT64_MAX);
    mount("cgroup2", "x");
    put("self/cgroup", "0::/job\n");
    put("cg/job/cpu.max", "nonsense\n");
    EXPECT_EQ(ask().millicores, UINT64_MAX);
    EXPECT_EQ(ask().group, 0U);
}

}  // namespace
}  // namespace onecopy::test
