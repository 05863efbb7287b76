// The doctor against the kernel itself: its model of the ptrace check against what the check
// answers, and what it says of real targets.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/doctor_diagnose.hpp"
#include "cli/doctor_gather.hpp"
#include "run_onecopy.hpp"
#include "support/child.hpp"
#include "support/rights.hpp"

namespace onecopy {
namespace {

using cli::Way;
using test::as_user;
using test::Child;
using test::forked;
using test::Identity;
using test::run_onecopy;
using test::ToolRun;
using test::user;

constexpr std::uint64_t cap_ptrace = std::uint64_t{1} << os::cap_sys_ptrace;
constexpr std::uint64_t cap_dac = std::uint64_t{1} << os::cap_dac_override;
constexpr std::uint64_t cap_net_raw = std::uint64_t{1} << 13;

/// Who callers and targets are in turn: the rows of docs/semantics.md, section 4.
const std::array<Identity, 12> everybody{
    Identity{},  // root
    user(1000),
    user(1001),
    Identity{{1000, 1000, 1000}, {1000, 1000, 1001}, 1, 0, 0, false},  // saved group alone
    Identity{{1000, 1000, 1000}, {1000, 1000, 1000}, 0, 0, 0, false},  // not dumpable
    Identity{{1000, 1000, 1000}, {1000, 1000, 1000}, 1, cap_net_raw, cap_net_raw, false},
    Identity{{1000, 1000, 1000}, {1000, 1000, 1000}, 1, cap_net_raw, 0, false},
    Identity{{1000, 1000, 1000}, {1000, 1000, 1000}, 1, cap_ptrace, cap_ptrace, false},
    Identity{{1000, 1000, 1000}, {1000, 1000, 1000}, 1, cap_ptrace, 0, false},
    Identity{{1000, 1000, 1000},
             {1000, 1000, 1000},
             1,
             cap_ptrace | cap_dac,
             cap_ptrace | cap_dac,
             false},
    Identity{{0, 1000, 1000}, {1000, 1000, 1000}, 1, 0, 0, false},
    Identity{{1000, 0, 0}, {1000, 1000, 1000}, 1, 0, 0, false},
};

/// What the model expects and what the kernel answered, for one way.
struct Verdicts {
    int became;
    bool call_expected, call_open;
    bool file_expected, file_open;
};

TEST(Doctor, ItsModelAgreesWithTheKernelOnEveryPairOfIdentities) {
    ONECOPY_NEEDS_ROOT();
    for (std::size_t t = 0; t < everybody.size(); ++t) {
        Child target;
        const int became = static_cast<int>(target.run(
            [](const test::Words& words) -> std::int64_t {
                return test::become(*reinterpret_cast<const Identity*>(words[0]));
            },
            &everybody[t]));
        ASSERT_EQ(became, 0) << t;
        for (std::size_t c = 0; c < everybody.size(); ++c) {
            const Verdicts got = forked([&] {
                Verdicts verdicts{test::become(everybody[c]), false, false, false, false};
                const cli::Facts facts = cli::gather_facts(false);
                const cli::TargetFacts seen = cli::gather_target(facts.caller, target.pid());
                verdicts.call_expected =
                    cli::ptrace_guards(facts.kernel, facts.caller, seen, false).empty();
                verdicts.call_open = seen.attempts[Way::process_vm_readv].worked();
                const auto& status = facts.caller.status;
                const bool mode = os::has_capability(status.effective, os::cap_dac_override) ||
                                  *seen.mem_uid == status.uid.fs;
                verdicts.file_expected =
                    mode && cli::ptrace_guards(facts.kernel, facts.caller, seen, true).empty();
                verdicts.file_open = seen.attempts[Way::proc_mem_write].worked();
                return verdicts;
            });
            ASSERT_EQ(got.became, 0) << c;
            EXPECT_EQ(got.call_expected, got.call_open) << "caller " << c << ", target " << t;
            EXPECT_EQ(got.file_expected, got.file_open) << "caller " << c << ", target " << t;
        }
    }
}

TEST(Doctor, AChildNamespacesRootIsToldThatTheOutsideIsAnotherUserNamespace) {
    ONECOPY_NEEDS_ROOT();
    Child target;
    ASSERT_EQ(target.run([](const test::Words&) -> std::int64_t { return test::become(user()); }),
              0);
    struct Answer {
        int became;
        bool refused;
        cli::Guard guard;
    };
    const Answer answer = forked([&] {
        Identity inside = user();
        inside.new_user_namespace = true;
        Answer result{test::become(inside), false, cli::Guard::unknown};
        cli::Facts facts = cli::gather_facts(false);
        facts.target = cli::gather_target(facts.caller, target.pid());
        const cli::Diagnosis diagnosis = cli::diagnose(facts);
        const cli::Finding& finding = diagnosis[Way::process_vm_readv];
        result.refused = finding.verdict == cli::Verdict::refused;
        if (!finding.reasons.empty()) result.guard = finding.reasons.front().guard;
        return result;
    });
    if (answer.became != 0) GTEST_SKIP() << "no user namespaces here";
    EXPECT_TRUE(answer.refused);
    EXPECT_EQ(answer.guard, cli::Guard::user_namespace);
}

TEST(DoctorCommand, WithoutATargetItMovesBytesEveryWayThatWorksHere) {
    const ToolRun run = run_onecopy({"doctor", "--json"});
    ASSERT_EQ(run.status, 0) << run.err;
    const auto json = nlohmann::json::parse(run.out);
    EXPECT_TRUE(json["readable"]);
    EXPECT_EQ(json["ways"].size(), cli::way_count);
    for (const auto& way : json["ways"]) {
        EXPECT_NE(way["verdict"], "not_tried") << way;
        EXPECT_EQ(way["verdict"] == "refused" && way["reasons"].empty(), false) << way;
    }
    for (const Way way : {Way::memfd, Way::vmsplice}) {
        EXPECT_EQ(json["ways"][static_cast<std::size_t>(way)]["verdict"], "cooperative");
    }
    EXPECT_TRUE(json["target"].is_null());
    EXPECT_FALSE(json["unrelated_process"]["verdict"].get<std::string>().empty());
    EXPECT_EQ(json["features"].size(), cli::feature_count);
}

TEST(DoctorCommand, ItsTextBeginsWithTheAnswer) {
    Child child;
    const ToolRun run = run_onecopy({"doctor", std::to_string(child.pid())});
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.out.find("Process " + std::to_string(child.pid()) + " can be read and written."),
              0U)
        << run.out;
    EXPECT_EQ(run.err, "");
}

TEST(DoctorCommand, AnOrdinaryUserIsToldThatRootsProcessIsNotHis) {
    ONECOPY_NEEDS_ROOT();
    Child child;
    const ToolRun run =
        run_onecopy({"doctor", std::to_string(child.pid())}, as_user(test::nobody_in_particular));
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.out.find("it runs as uid 0, this process as uid 1000"), run.out.npos) << run.out;
}

TEST(DoctorCommand, AProcessThatDroppedRootIsFoundNotDumpable) {
    ONECOPY_NEEDS_ROOT();
    Child child;
    ASSERT_EQ(child.run([](const test::Words&) -> std::int64_t {
        Identity dropped = user();
        dropped.dumpable = -1;
        return test::become(dropped);
    }),
              0);
    const ToolRun run = run_onecopy({"doctor", "--json", std::to_string(child.pid())},
                                    as_user(test::nobody_in_particular));
    EXPECT_EQ(run.status, 1) << run.err;
    const auto json = nlohmann::json::parse(run.out);
    EXPECT_EQ(json["ways"][0]["reasons"][0]["guard"], "not_dumpable") << run.out;
}

TEST(DoctorCommand, ASeccompFilterIsNamedAndTheFileStillWorks) {
    test::ToolSetup setup;
    setup.before_exec = [] {
        const std::array calls{test::Refusal{SYS_process_vm_readv, EPERM},
                               test::Refusal{SYS_process_vm_writev, ENOSYS}};
        if (test::refuse(calls) != 0) ::_exit(126);
    };
    Child child;
    const ToolRun run = run_onecopy({"doctor", "--json", std::to_string(child.pid())}, setup);
    EXPECT_EQ(run.status, 0) << run.err;
    const auto json = nlohmann::json::parse(run.out);
    EXPECT_EQ(json["ways"][0]["reasons"][0]["guard"], "seccomp");
    EXPECT_EQ(json["ways"][1]["reasons"][0]["guard"], "seccomp");
    EXPECT_EQ(json["ways"][2]["verdict"], "open");
}

TEST(DoctorCommand, AFilterThatKillsIsSurvived) {
    test::ToolSetup setup;
    setup.before_exec = [] {
        std::array<sock_filter, 4> program{
            sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
            sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
            sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
        sock_fprog filter{program.size(), program.data()};
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) ::_exit(126);
    };
    const Child child;
    const ToolRun run = run_onecopy({"doctor", "--json", std::to_string(child.pid())}, setup);
    EXPECT_EQ(run.signal, 0);
    EXPECT_EQ(run.status, 0) << run.err;
    const auto json = nlohmann::json::parse(run.out);
    EXPECT_EQ(json["ways"][0]["reasons"][0]["guard"], "seccomp");
    EXPECT_EQ(json["ways"][2]["verdict"], "open");
}

TEST(DoctorCommand, OldKernelsLackFeaturesAndItSaysWhatIsLost) {
    test::ToolSetup setup;
    setup.before_exec = [] {
        const std::array calls{test::Refusal{SYS_pidfd_open, ENOSYS},
                               test::Refusal{SYS_pidfd_getfd, ENOSYS},
                               test::Refusal{449, ENOSYS},  // futex_waitv
                               test::Refusal{425, ENOSYS},  // io_uring_setup
                               test::Refusal{SYS_madvise, EINVAL, 2, 20, 30}};
        if (test::refuse(calls) != 0) ::_exit(126);
    };
    const ToolRun run = run_onecopy({"doctor"}, setup);
    EXPECT_EQ(run.status, 0) << run.err;
    for (const char* name : {"no  pidfd_open", "no  pidfd_getfd", "no  futex_waitv", "no  io_uring, deferred",
                             "no  MADV_POPULATE_WRITE", "no  MADV_COLLAPSE"}) {
        EXPECT_NE(run.out.find(name), run.out.npos) << name << "\n" << run.out;
    }
}

TEST(DoctorCommand, ASandboxThatNoFactShowsIsASecurityModule) {
    Child outside;
    test::ToolSetup setup;
    setup.before_exec = [] {
        // Landlock: a process that gave up one right over files may reach only its own kind.
        landlock_ruleset_attr rules{};
        rules.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SOCK;
        const auto set =
            static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0));
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (set < 0 || ::syscall(SYS_landlock_restrict_self, set, 0) != 0) ::_exit(126);
    };
    const ToolRun run = run_onecopy({"doctor", "--json", std::to_string(outside.pid())}, setup);
    if (run.status == 126) GTEST_SKIP() << "no Landlock here";
    EXPECT_EQ(run.status, 1) << run.err;
    const auto json = nlohmann::json::parse(run.out);
    EXPECT_EQ(json["ways"][0]["reasons"][0]["guard"], "security_module") << run.out;
}

TEST(DoctorCommand, ZombiesKernelThreadsAndAbsentProcessesAreToldApart) {
    Child zombie;
    const std::string number = std::to_string(zombie.pid());
    zombie.kill();
    const ToolRun dead = run_onecopy({"doctor", number});
    EXPECT_EQ(dead.status, 1);
    EXPECT_NE(dead.out.find("it has ended"), dead.out.npos) << dead.out;
    zombie.reap();
    const ToolRun absent = run_onecopy({"doctor", number});
    EXPECT_EQ(absent.status, 1);
    EXPECT_NE(absent.out.find("there is no process"), absent.out.npos) << absent.out;
    if (::access("/proc/2/status", F_OK) != 0) return;  // a container shows no kernel threads
    const ToolRun kernel = run_onecopy({"doctor", "2"});
    EXPECT_NE(kernel.out.find("thread of the kernel"), kernel.out.npos) << kernel.out;
}

TEST(DoctorCommand, AProcessWhoseFirstThreadEndedCanBeReadThroughAnother) {
    Child child;
    child.start([](const test::Words&) -> std::int64_t {
        std::thread([] {
            for (;;) test::nap(1000);
        }).detach();
        ::syscall(SYS_exit, 0);  // this thread only
        return 0;
    });
    ASSERT_TRUE(test::eventually([&] {
        std::error_code error;
        return os::read_process_status(child.pid(), error).state == 'Z';
    }));
    const ToolRun run = run_onecopy({"doctor", "--json", std::to_string(child.pid())});
    EXPECT_EQ(run.status, 0) << run.out << run.err;
    const auto json = nlohmann::json::parse(run.out);
    EXPECT_EQ(json["ways"][0]["reasons"][0]["guard"], "leader_exited") << run.out;
    EXPECT_EQ(json["ways"][2]["verdict"], "open");
}

}  // namespace
}  // namespace onecopy
