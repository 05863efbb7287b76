#include "os/process_status.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "support/child.hpp"
#include "support/rights.hpp"

namespace onecopy::os {
namespace {

using test::Child;

constexpr std::string_view example =
    "Name:\tmy: program\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t4711\nNgid:\t0\nPid:\t4712\n"
    "PPid:\t1\nTracerPid:\t99\nUid:\t1000\t1001\t1002\t1003\nGid:\t5\t6\t7\t8\nFDSize:\t64\n"
    "NStgid:\t4711\t7\nNSpid:\t4712\t8\t1\nVmSize:\t  12 kB\nThreads:\t3\n"
    "CapPrm:\t00000000000c2000\nCapEff:\t0000000000080000\nSeccomp:\t2\n";

TEST(ProcessStatus, TakesEveryLineThatSaysWhoMayReachWhom) {
    ProcessStatus status;
    ASSERT_TRUE(parse_process_status(example, status));
    EXPECT_EQ(status.name, "my: program");
    EXPECT_EQ(status.state, 'S');
    EXPECT_EQ(status.pid, 4711);
    EXPECT_EQ(status.tid, 4712);
    EXPECT_EQ(status.parent, 1);
    EXPECT_EQ(status.tracer, 99);
    EXPECT_EQ(status.uid, (Ids{1000, 1001, 1002, 1003}));
    EXPECT_EQ(status.gid, (Ids{5, 6, 7, 8}));
    EXPECT_EQ(status.ns_pids, (std::vector<int>{4712, 8, 1}));
    EXPECT_EQ(status.permitted, 0xc2000U);
    EXPECT_TRUE(has_capability(status.effective, cap_sys_ptrace));
    EXPECT_FALSE(has_capability(status.effective, cap_dac_override));
    EXPECT_EQ(status.seccomp, 2);
    EXPECT_EQ(status.threads, 3);
    EXPECT_TRUE(status.has_memory);
}

TEST(ProcessStatus, TextWithoutANumberOrAUserIsNone) {
    ProcessStatus status;
    EXPECT_FALSE(parse_process_status("", status));
    EXPECT_FALSE(parse_process_status("Pid:\t1\n", status));
    EXPECT_FALSE(parse_process_status("Uid:\t0\t0\t0\t0\n", status));
    EXPECT_FALSE(parse_process_status("Pid:\tx\nUid:\t0\t0\t0\t0\n", status));
    EXPECT_FALSE(parse_process_status("Pid:\t1\nUid:\t0\t0\t0\n", status));
    EXPECT_TRUE(parse_process_status("Pid:\t1\nUid:\t0\t0\t0\t0", status)) << "no last newline";
}

RC_GTEST_PROP(ProcessStatus, AnyTextIsSurvived, (const std::string& garbage)) {
    ProcessStatus status;
    parse_process_status(garbage, status);
    std::string torn(example.substr(0, *rc::gen::inRange<std::size_t>(0, example.size())));
    parse_process_status(torn + garbage, status);
}

TEST(ProcessStatus, OfThisProcessAgreesWithTheSystemCalls) {
    std::error_code error;
    const ProcessStatus status = read_process_status(::getpid(), error);
    ASSERT_FALSE(error);
    EXPECT_EQ(status.pid, ::getpid());
    EXPECT_EQ(status.parent, ::getppid());
    EXPECT_EQ(status.uid.effective, ::geteuid());
    EXPECT_EQ(status.gid.real, ::getgid());
    EXPECT_TRUE(status.has_memory);
}

TEST(ProcessStatus, AnAbsentProcessIsAnError) {
    Child child;
    const pid_t pid = child.pid();
    child.reap();
    std::error_code error;
    read_process_status(pid, error);
    EXPECT_EQ(error, std::errc::no_such_file_or_directory);
}

TEST(ProcessStatus, AChangeOfUserShows) {
    ONECOPY_NEEDS_ROOT();
    Child child;
    ASSERT_EQ(child.run([](const test::Words&) -> std::int64_t {
        return test::become({{1000, 1001, 1002}, {5, 6, 7}, 1, 0, 0, false});
    }),
              0);
    std::error_code error;
    const ProcessStatus status = read_process_status(child.pid(), error);
    EXPECT_EQ(status.uid, (Ids{1000, 1001, 1002, 1001}));
    EXPECT_EQ(status.gid, (Ids{5, 6, 7, 6}));
    EXPECT_EQ(status.permitted, 0U);
}

TEST(ProcessStatus, CapabilitiesHaveNamesAndNewerOnesNumbers) {
    EXPECT_EQ(capability_names(0), "");
    EXPECT_EQ(capability_names(CapabilitySet{1} << 19 | 1), "cap_chown,cap_sys_ptrace");
    EXPECT_EQ(capability_names(CapabilitySet{1} << 40), "cap_checkpoint_restore");
    EXPECT_EQ(capability_names(CapabilitySet{1} << 63), "cap_63");
}

TEST(MemoryDirectory, IsThatOfALiveThreadWhereTheFirstOneHasEnded) {
    Child child;
    EXPECT_EQ(memory_directory(child.pid()), "/proc/" + std::to_string(child.pid()));
    child.start([](const test::Words&) -> std::int64_t {
        std::thread([] {
            for (;;) test::nap(1000);
        }).detach();
        ::syscall(SYS_exit, 0);  // this thread only
        return 0;
    });
    std::error_code error;
    ASSERT_TRUE(
        test::eventually([&] { return read_process_status(child.pid(), error).state == 'Z'; }));
    const std::string directory = memory_directory(child.pid());
    EXPECT_EQ(directory.find("/proc/" + std::to_string(child.pid()) + "/task/"), 0U) << directory;
    EXPECT_FALSE(read_small_file(directory + "/maps", error).empty());
}

}  // namespace
}  // namespace onecopy::os
