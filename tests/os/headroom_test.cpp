// What memory can still be taken: by trees of files made for the purpose, and by this machine's
// own.
#include "os/headroom.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "os/synthetic_machine.hpp"

namespace onecopy::test {
namespace {

constexpr std::uint64_t mib = 1 << 20;

class Headroom : public SyntheticMachine {
protected:
    Headroom() {
        put("meminfo",
            "MemTotal:  1000000 kB\nMemAvailable:  800000 kB\nCommitLimit:  500000 kB\n"
            "Committed_AS:  450000 kB\n");
        put("overcommit", "0\n");
    }
    [[nodiscard]] os::Headroom ask() const {
        return os::HeadroomWatch(root_ / "self", root_ / "meminfo", root_ / "overcommit").ask();
    }
};

TEST_F(Headroom, IsTheMachinesMemoryWhereNothingElseLimits) {
    EXPECT_EQ(ask().bytes, 800000U * 1024);
    EXPECT_NE(ask().limiter.find("MemAvailable"), std::string_view::npos);
}

TEST_F(Headroom, CountsCommittedMemoryOnlyWhereTheKernelDoes) {
    put("overcommit", "1\n");
    EXPECT_EQ(ask().bytes, 800000U * 1024);
    put("overcommit", "2\n");
    EXPECT_EQ(ask().bytes, 50000U * 1024);
    EXPECT_NE(ask().limiter.find("CommitLimit"), std::string_view::npos);
}

TEST_F(Headroom, OfVersion2IsTheTightestOfAllGroupsUpwards) {
    mount("cgroup2", "nsdelegate");
    put("self/cgroup", "1:name=systemd:/x\n0::/job/step\n");
    put("cg/job/step/memory.max", "max\n");
    put("cg/job/step/memory.current", "1000000\n");
    put("cg/job/memory.max", std::to_string(100 * mib) + "\n");
    put("cg/job/memory.current", std::to_string(90 * mib) + "\n");
    put("cg/job/memory.stat", "anon 1\nfile 3\ninactive_file " + std::to_string(5 * mib) +
                                  "\nactive_file " + std::to_string(2 * mib) + "\n");
    EXPECT_EQ(ask().bytes, 17 * mib);  // 10 left, 7 that can be dropped
    EXPECT_NE(ask().limiter.find("memory.max"), std::string_view::npos);
    put("cg/job/step/memory.max", std::to_string(4 * mib) + "\n");
    EXPECT_EQ(ask().bytes, 4 * mib - 1000000);
    put("cg/job/step/memory.current", std::to_string(5 * mib) + "\n");
    EXPECT_EQ(ask().bytes, 0U);
}

TEST_F(Headroom, OfVersion1IsFoundAmongOtherControllers) {
    mount("cgroup", "memory");
    put("self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/job\n0::/\n");
    put("cg/memory.limit_in_bytes", "9223372036854771712\n");  // none
    put("cg/memory.usage_in_bytes", "123\n");
    put("cg/job/memory.limit_in_bytes", std::to_string(64 * mib) + "\n");
    put("cg/job/memory.usage_in_bytes", std::to_string(60 * mib) + "\n");
    put("cg/job/memory.stat", "inactive_file 1\ntotal_inactive_file 4096\ntotal_active_file 0\n");
    EXPECT_EQ(ask().bytes, 4 * mib + 4096);
}

TEST_F(Headroom, OfAContainerIsThatOfThePartItSees) {
    mount("cgroup2", "x", "/outer/box");
    put("self/cgroup", "0::/outer/box/inner\n");
    put("cg/inner/memory.max", std::to_string(32 * mib) + "\n");
    put("cg/inner/memory.current", std::to_string(8 * mib) + "\n");
    EXPECT_EQ(ask().bytes, 24 * mib);
}

TEST_F(Headroom, OfAMachineThatTellsNothingIsUnlimited) {
    std::filesystem::remove_all(root_ / "meminfo");
    EXPECT_EQ(ask().bytes, UINT64_MAX);
}

TEST(HeadroomHere, IsPositiveAndNotMoreThanTheMachineHas) {
    const auto memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                        static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const os::Headroom here = os::HeadroomWatch().ask();
    EXPECT_GT(here.bytes, 0U);
    EXPECT_LE(here.bytes, memory);
}

TEST(FindNumber, TakesTheLineWithExactlyThatName) {
    std::uint64_t value = 0;
    constexpr std::string_view text =
        "total_inactive_file 7\ninactive_file 5\nfile 3\nMem:   12 kB\nX";
    EXPECT_TRUE(os::find_number(text, "inactive_file", value));
    EXPECT_EQ(value, 5U);
    EXPECT_TRUE(os::find_number(text, "file", value));
    EXPECT_EQ(value, 3U);
    EXPECT_TRUE(os::find_number(text, "Mem", value));
    EXPECT_EQ(value, 12U);
    EXPECT_FALSE(os::find_number(text, "fil", value));
    EXPECT_FALSE(os::find_number(text, "X", value));
    EXPECT_FALSE(os::find_number("", "X", value));
}

}  // namespace
}  // namespace onecopy::test
