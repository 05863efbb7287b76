// The doctor's judgement on machines, callers and targets that nobody here has: written down.
#include "cli/doctor_diagnose.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cerrno>

namespace onecopy::cli {
namespace {

constexpr os::CapabilitySet bit(unsigned capability) { return os::CapabilitySet{1} << capability; }
constexpr os::CapabilitySet cap_ptrace = bit(os::cap_sys_ptrace);

os::ProcessStatus user_status(std::uint32_t id, int pid) {
    os::ProcessStatus status;
    status.name = "program";
    status.state = 'S';
    status.pid = status.tid = pid;
    status.uid = {id, id, id, id};
    status.gid = {id, id, id, id};
    status.threads = 1;
    status.has_memory = true;
    return status;
}

/// An ordinary machine without Yama, two ordinary processes of user 1000, everything works.
Facts all_is_well() {
    Facts facts;
    facts.kernel.release = "6.1.0";
    facts.kernel.major = 6;
    facts.kernel.minor = 1;
    facts.caller.status = user_status(1000, 100);
    facts.caller.program = "/usr/bin/onecopy";
    for (Attempt& attempt : facts.caller.on_itself) attempt.made = true;
    for (Attempt& attempt : facts.caller.on_own_child) attempt.made = true;
    facts.caller.on_itself[Way::module] = {true, ENOENT};
    TargetFacts target;
    target.pid = 4711;
    target.status = user_status(1000, 4711);
    target.mem_uid = 1000;
    target.mem_gid = 1000;
    target.user_namespace = SameNamespace::yes;
    for (Attempt& attempt : target.attempts) attempt.made = true;
    facts.target = target;
    return facts;
}

/// As the kernel answers when its ptrace check refuses.
void refuse_everything(Facts& facts) {
    Attempts& attempts = facts.target->attempts;
    attempts[Way::process_vm_readv] = attempts[Way::process_vm_writev] = {true, EPERM};
    attempts[Way::proc_mem_read] = attempts[Way::proc_mem_write] = {true, EACCES};
    attempts[Way::pidfd_getfd] = {true, EPERM};
}

std::vector<Guard> guards_of(const Finding& finding) {
    std::vector<Guard> guards;
    for (const Reason& reason : finding.reasons) guards.push_back(reason.guard);
    return guards;
}

std::vector<Guard> guards_of(const Facts& facts, Way way = Way::process_vm_readv) {
    return guards_of(diagnose(facts)[way]);
}

using Guards = std::vector<Guard>;

TEST(Diagnose, NothingIsRefusedWhereEverythingWorks) {
    const Diagnosis diagnosis = diagnose(all_is_well());
    EXPECT_TRUE(diagnosis.readable());
    EXPECT_TRUE(diagnosis.writable());
    EXPECT_EQ(diagnosis[Way::memfd].verdict, Verdict::cooperative);
    EXPECT_EQ(diagnosis[Way::module].verdict, Verdict::absent);
    for (const Finding& finding : diagnosis.ways) EXPECT_NE(finding.verdict, Verdict::refused);
}

TEST(Diagnose, AnotherUserIsNamedWithBothNumbers) {
    Facts facts = all_is_well();
    facts.target->status = user_status(1001, 4711);
    facts.target->mem_uid = facts.target->mem_gid = 1001;
    refuse_everything(facts);
    EXPECT_EQ(guards_of(facts), Guards{Guard::user_ids});
    EXPECT_EQ(one_line(diagnose(facts)[Way::process_vm_readv].reasons),
              "it runs as uid 1001, this process as uid 1000; run both as the same user (`sudo -u "
              "'#1001'` here)");
}

TEST(Diagnose, RootsProcessesAreLeftToRoot) {
    Facts facts = all_is_well();
    facts.target->status = user_status(0, 4711);
    facts.target->status.permitted = ~os::CapabilitySet{0};
    facts.target->mem_uid = facts.target->mem_gid = 0;
    refuse_everything(facts);
    EXPECT_EQ(guards_of(facts), Guards{Guard::user_ids}) << "its capabilities are only noise";
    EXPECT_EQ(one_line(diagnose(facts)[Way::process_vm_readv].reasons),
              "it runs as uid 0, this process as uid 1000; run this as root");
}

TEST(Diagnose, AGroupThatDiffersAloneIsNamed) {
    Facts facts = all_is_well();
    facts.target->status.gid = {100, 100, 100, 100};
    facts.target->mem_gid = 100;
    refuse_everything(facts);
    EXPECT_EQ(guards_of(facts), Guards{Guard::group_ids});
}

TEST(Diagnose, ASavedGroupThatDiffersAloneIsNamed) {
    Facts facts = all_is_well();
    facts.target->status.gid.saved = 100;
    refuse_everything(facts);
    EXPECT_EQ(guards_of(facts), Guards{Guard::group_ids});
}

TEST(Diagnose, AProgramWithMixedUsersIsLeftToRoot) {
    Facts facts = all_is_well();
    facts.target->status.uid = {1000, 0, 0, 0};
    facts.target->mem_uid = 0;
    refuse_everything(facts);
    const std::string line = one_line(diagnose(facts)[Way::process_vm_readv].reasons);
    EXPECT_NE(line.find("uids 1000/0/0 (real/effective/saved)"), line.npos) << line;
    EXPECT_NE(line.find("run this as root"), line.npos) << line;
}

TEST(Diagnose, SystemCallsCompareTheRealUserAndFilesTheEffectiveOne) {
    Facts facts = all_is_well();
    facts.caller.status.uid = {0, 1000, 1000, 1000};
    EXPECT_EQ(ptrace_guards(facts.kernel, facts.caller, *facts.target, false).size(), 1U);
    EXPECT_TRUE(ptrace_guards(facts.kernel, facts.caller, *facts.target, true).empty());
    facts.caller.status.uid = {1000, 0, 0, 0};
    EXPECT_TRUE(ptrace_guards(facts.kernel, facts.caller, *facts.target, false).empty());
    EXPECT_EQ(ptrace_guards(facts.kernel, facts.caller, *facts.target, true).size(), 1U);
}

TEST(Diagnose, ATargetThatIsNotDumpableIsToldByTheOwnerOfItsMemFile) {
    Facts facts = all_is_well();
    facts.target->mem_uid = facts.target->mem_gid = 0;
    refuse_everything(facts);
    EXPECT_EQ(guards_of(facts), Guards{Guard::not_dumpable});
    EXPECT_EQ(guards_of(facts, Way::proc_mem_write), Guards{Guard::not_dumpable});
    EXPECT_EQ(guards_of(facts, Way::pidfd_getfd), Guards{Guard::not_dumpable});
    // Of root's group: only the user of the file tells.
    facts.caller.status.gid = facts.target->status.gid = {0, 0, 0, 0};
    EXPECT_EQ(guards_of(facts), Guards{Guard::not_dumpable});
}

TEST(Diagnose, ACapabilityThatTheCallerLacksIsNamed) {
    Facts facts = all_is_well();
    facts.target->status.permitted = bit(13);
    refuse_everything(facts);
    const Finding finding = diagnose(facts)[Way::process_vm_readv];
    EXPECT_EQ(guards_of(finding), Guards{Guard::capabilities});
    EXPECT_NE(finding.reasons[0].what.find("cap_net_raw"), std::string::npos);
    facts.caller.status.permitted = bit(13) | bit(5);
    EXPECT_TRUE(ptrace_guards(facts.kernel, facts.caller, *facts.target, false).empty());
    EXPECT_FALSE(ptrace_guards(facts.kernel, facts.caller, *facts.target, true).empty())
        << "files compare with what is effective";
}

TEST(Diagnose, CapSysPtraceThatIsNotEffectiveIsToBeRaised) {
    Facts facts = all_is_well();
    facts.caller.status.permitted = cap_ptrace;
    facts.target->status = user_status(1001, 4711);
    refuse_everything(facts);
    const Finding finding = diagnose(facts)[Way::process_vm_readv];
    EXPECT_EQ(guards_of(finding),
              (Guards{Guard::user_ids, Guard::not_dumpable, Guard::not_effective}));
    const std::string line = one_line(finding.reasons);
    EXPECT_EQ(line.find("run both as the same user"), line.npos) << "it is not needed: " << line;
    EXPECT_NE(line.find("setcap cap_sys_ptrace=ep /usr/bin/onecopy"), line.npos) << line;
}

TEST(Diagnose, CapSysPtraceAloneDoesNotOpenTheMemFileOfAnotherUser) {
    Facts facts = all_is_well();
    facts.caller.status.permitted = facts.caller.status.effective = cap_ptrace;
    facts.target->status = user_status(1001, 4711);
    facts.target->mem_uid = facts.target->mem_gid = 1001;
    facts.target->attempts[Way::proc_mem_read] = {true, EACCES};
    facts.target->attempts[Way::proc_mem_write] = {true, EACCES};
    const Diagnosis diagnosis = diagnose(facts);
    EXPECT_TRUE(diagnosis.readable());
    EXPECT_EQ(guards_of(diagnosis[Way::proc_mem_read]), Guards{Guard::file_mode});
    EXPECT_EQ(diagnosis[Way::proc_mem_force].verdict, Verdict::not_tried);
}

TEST(Diagnose, YamaScopeOneNamesItsThreeExceptions) {
    Facts facts = all_is_well();
    facts.kernel.yama_scope = 1;
    refuse_everything(facts);
    const Finding finding = diagnose(facts)[Way::process_vm_readv];
    EXPECT_EQ(guards_of(finding), Guards{Guard::yama});
    EXPECT_NE(finding.reasons[0].remedy.find("PR_SET_PTRACER"), std::string::npos);
    facts.target->caller_is_ancestor = true;
    EXPECT_TRUE(ptrace_guards(facts.kernel, facts.caller, *facts.target, false).empty());
    facts.target->caller_is_ancestor = false;
    facts.target->status.tracer = facts.caller.status.pid;
    EXPECT_TRUE(ptrace_guards(facts.kernel, facts.caller, *facts.target, false).empty());
}

TEST(Diagnose, YamaScopeTwoAsksForTheCapabilityOfAncestorsToo) {
    Facts facts = all_is_well();
    facts.kernel.yama_scope = 2;
    facts.target->caller_is_ancestor = true;
    EXPECT_EQ(ptrace_guards(facts.kernel, facts.caller, *facts.target, false).size(), 1U);
    facts.caller.status.permitted = facts.caller.status.effective = cap_ptrace;
    EXPECT_TRUE(ptrace_guards(facts.kernel, facts.caller, *facts.target, false).empty());
}

TEST(Diagnose, YamaScopeThreeRefusesRootToo) {
    Facts facts = all_is_well();
    facts.kernel.yama_scope = 3;
    facts.caller.status = user_status(0, 100);
    facts.caller.status.permitted = facts.caller.status.effective = ~os::CapabilitySet{0};
    refuse_everything(facts);
    const Finding finding = diagnose(facts)[Way::process_vm_readv];
    EXPECT_EQ(guards_of(finding), Guards{Guard::yama});
    EXPECT_EQ(finding.reasons[0].remedy.find("CAP_SYS_PTRACE"), std::string::npos);
    EXPECT_TRUE(ptrace_guards(
                    facts.kernel, facts.caller,
                    [&] {
                        TargetFacts self = *facts.target;
                        self.is_caller = true;
                        return self;
                    }(),
                    false)
                    .empty())
        << "a process may always reach itself";
}

TEST(Diagnose, AllGuardsAreNamedInTheKernelsOrder) {
    Facts facts = all_is_well();
    facts.kernel.yama_scope = 1;
    facts.target->status = user_status(1001, 4711);
    facts.target->status.permitted = bit(13);
    facts.target->mem_uid = 0;
    refuse_everything(facts);
    EXPECT_EQ(guards_of(facts),
              (Guards{Guard::user_ids, Guard::not_dumpable, Guard::capabilities, Guard::yama}));
}

TEST(Diagnose, AnotherUserNamespaceIsNamedEvenForRootInsideItsOwn) {
    Facts facts = all_is_well();
    facts.caller.status = user_status(0, 100);
    facts.caller.status.permitted = facts.caller.status.effective = ~os::CapabilitySet{0};
    facts.target->status = user_status(65534, 4711);
    facts.target->user_namespace = SameNamespace::no;
    refuse_everything(facts);
    const std::vector<Guard> guards = guards_of(facts);
    ASSERT_FALSE(guards.empty());
    EXPECT_EQ(guards.front(), Guard::user_namespace);
}

TEST(Diagnose, AFilterIsToldFromARefusalByATransferWithItself) {
    Facts facts = all_is_well();
    refuse_everything(facts);
    facts.caller.status.seccomp = 2;
    facts.caller.on_itself[Way::process_vm_readv] = {true, EPERM};
    const Finding finding = diagnose(facts)[Way::process_vm_readv];
    EXPECT_EQ(guards_of(finding), Guards{Guard::seccomp});
    EXPECT_NE(finding.reasons[0].remedy.find("--cap-add=SYS_PTRACE"), std::string::npos);
}

TEST(Diagnose, AFilterThatKillsIsSurvivedAndNamed) {
    Facts facts = all_is_well();
    facts.caller.status.seccomp = 2;
    facts.caller.on_itself[Way::process_vm_readv] = {true, EPERM, true};
    facts.target->attempts[Way::process_vm_readv] = {};
    const Finding finding = diagnose(facts)[Way::process_vm_readv];
    EXPECT_EQ(guards_of(finding), Guards{Guard::seccomp});
    EXPECT_NE(finding.reasons[0].what.find("kills"), std::string::npos);
}

TEST(Diagnose, AMissingSystemCallWithoutAFilterIsTheKernelsConfiguration) {
    Facts facts = all_is_well();
    facts.caller.on_itself[Way::process_vm_readv] = {true, ENOSYS};
    facts.caller.on_itself[Way::process_vm_writev] = {true, ENOSYS};
    facts.target->attempts[Way::process_vm_readv] = {true, ENOSYS};
    facts.target->attempts[Way::process_vm_writev] = {true, ENOSYS};
    const Diagnosis diagnosis = diagnose(facts);
    EXPECT_EQ(guards_of(diagnosis[Way::process_vm_readv]), Guards{Guard::not_built});
    EXPECT_NE(diagnosis[Way::process_vm_readv].reasons[0].what.find("CONFIG_CROSS_MEMORY_ATTACH"),
              std::string::npos);
    EXPECT_TRUE(diagnosis.readable()) << "the file is still there";
}

TEST(Diagnose, AnAbsentProcessAZombieAKernelThreadAndADeadLeaderAreToldApart) {
    Facts facts = all_is_well();
    Attempts& attempts = facts.target->attempts;
    attempts[Way::process_vm_readv] = {true, ESRCH};
    facts.target->status.state = 'Z';
    EXPECT_EQ(guards_of(facts), Guards{Guard::zombie});
    facts.target->status.threads = 3;
    facts.target->live_thread = 4712;
    EXPECT_EQ(guards_of(facts), Guards{Guard::leader_exited});
    EXPECT_NE(one_line(diagnose(facts)[Way::process_vm_readv].reasons).find("4712"),
              std::string::npos);
    facts.target->status.state = 'S';
    facts.target->kernel_thread = true;
    EXPECT_EQ(guards_of(facts), Guards{Guard::kernel_thread});
    facts.target->exists = facts.target->in_proc = false;
    EXPECT_EQ(guards_of(facts), Guards{Guard::no_process});
}

TEST(Diagnose, AProcessThatProcHidesIsSuspectedToBeHidden) {
    Facts facts = all_is_well();
    refuse_everything(facts);
    facts.target->in_proc = false;
    facts.target->attempts[Way::proc_mem_read] = {true, ENOENT};
    EXPECT_EQ(guards_of(facts), Guards{Guard::hidden});
    EXPECT_EQ(guards_of(facts, Way::proc_mem_read), Guards{Guard::hidden});
}

TEST(Diagnose, WithoutProcTheSystemCallStillWorks) {
    Facts facts = all_is_well();
    facts.caller.proc_mounted = false;
    facts.target->in_proc = false;
    facts.target->attempts[Way::proc_mem_read] = {true, ENOENT};
    facts.target->attempts[Way::proc_mem_write] = {true, ENOENT};
    const Diagnosis diagnosis = diagnose(facts);
    EXPECT_TRUE(diagnosis.readable());
    EXPECT_EQ(guards_of(diagnosis[Way::proc_mem_read]), Guards{Guard::hidden});
    EXPECT_EQ(diagnosis[Way::proc_mem_read].reasons[0].what, "/proc is not mounted here");
}

TEST(Diagnose, TheProcOfAnotherPidNamespaceIsNotBelieved) {
    Facts facts = all_is_well();
    facts.caller.proc_is_ours = false;
    facts.target->in_proc = false;
    facts.target->attempts[Way::proc_mem_read] = {};
    const std::vector<Reason> reasons = diagnose(facts)[Way::proc_mem_read].reasons;
    ASSERT_EQ(reasons.size(), 1U);
    EXPECT_NE(reasons[0].what.find("another pid namespace"), std::string::npos);
}

TEST(Diagnose, WhenNothingElseRefusesASecurityModuleRemains) {
    Facts facts = all_is_well();
    refuse_everything(facts);
    facts.kernel.security_modules = {"capability", "apparmor"};
    facts.target->label = "docker-default (enforce)";
    const Finding finding = diagnose(facts)[Way::process_vm_readv];
    EXPECT_EQ(guards_of(finding), Guards{Guard::security_module});
    EXPECT_NE(finding.reasons[0].what.find("apparmor"), std::string::npos);
    EXPECT_NE(finding.reasons[0].what.find("docker-default"), std::string::npos);
}

TEST(Diagnose, ANumberOfAThreadIsNoProcess) {
    Facts facts = all_is_well();
    facts.target->attempts[Way::pidfd_open] = {true, ENOENT};
    EXPECT_NE(one_line(diagnose(facts)[Way::pidfd_open].reasons).find("thread"), std::string::npos);
}

TEST(Diagnose, WritesThatTheKernelDoesNotForceLeaveOrdinaryOnes) {
    Facts facts = all_is_well();
    facts.caller.on_own_child[Way::proc_mem_force] = {true, EIO};
    const Diagnosis diagnosis = diagnose(facts);
    EXPECT_EQ(guards_of(diagnosis[Way::proc_mem_force]), Guards{Guard::force_override});
    EXPECT_TRUE(diagnosis.writable());
}

TEST(Diagnose, WithoutATargetItTellsWhatAnUnrelatedProcessWouldMeet) {
    Facts facts = all_is_well();
    facts.target.reset();
    EXPECT_EQ(diagnose(facts).unrelated.verdict, Verdict::open);
    facts.kernel.yama_scope = 1;
    const Diagnosis diagnosis = diagnose(facts);
    EXPECT_TRUE(diagnosis.readable()) << "its own child";
    EXPECT_EQ(diagnosis.unrelated.verdict, Verdict::refused);
    EXPECT_EQ(guards_of(diagnosis.unrelated), Guards{Guard::yama});
}

TEST(Diagnose, AMissingFeatureTellsWhatIsLost) {
    Facts facts = all_is_well();
    for (Attempt& attempt : facts.kernel.features) attempt = {true, ENOSYS};
    facts.kernel.features[static_cast<std::size_t>(Feature::futex_waitv)] = {true, 0};
    for (const FeatureFinding& feature : diagnose(facts).features) {
        EXPECT_EQ(feature.works, feature.name == "futex_waitv");
        EXPECT_FALSE(feature.without.empty());
    }
}

TEST(Diagnose, KernelsBefore418AreTooOld) {
    Facts facts = all_is_well();
    facts.kernel.major = 4;
    facts.kernel.minor = 17;
    EXPECT_TRUE(diagnose(facts).kernel_too_old);
    facts.kernel.minor = 18;
    EXPECT_FALSE(diagnose(facts).kernel_too_old);
    facts.kernel.major = 5;
    facts.kernel.minor = 0;
    EXPECT_FALSE(diagnose(facts).kernel_too_old);
}

RC_GTEST_PROP(Diagnose, EveryRefusalHasAReasonThatFitsOnOneLine, ()) {
    Facts facts = all_is_well();
    const auto id = rc::gen::element<std::uint32_t>(0, 1000, 1001);
    const auto ids = [&] { return os::Ids{*id, *id, *id, *id}; };
    const auto error = rc::gen::element(0, EPERM, EACCES, ESRCH, ENOSYS, ENOENT);
    facts.caller.status.uid = ids();
    facts.caller.status.gid = ids();
    facts.caller.status.permitted = *rc::gen::arbitrary<std::uint64_t>();
    facts.caller.status.effective =
        facts.caller.status.permitted & *rc::gen::arbitrary<std::uint64_t>();
    facts.caller.status.seccomp = *rc::gen::element(0, 2);
    facts.caller.proc_mounted = *rc::gen::arbitrary<bool>();
    facts.caller.proc_is_ours = *rc::gen::arbitrary<bool>();
    facts.kernel.yama_scope = *rc::gen::element<std::optional<int>>(std::nullopt, 0, 1, 2, 3);
    TargetFacts& target = *facts.target;
    target.status.uid = ids();
    target.status.gid = ids();
    target.status.permitted = *rc::gen::arbitrary<std::uint64_t>();
    target.status.state = *rc::gen::element('S', 'Z', 'T');
    target.status.threads = *rc::gen::element(1, 3);
    target.exists = *rc::gen::arbitrary<bool>();
    target.in_proc = *rc::gen::arbitrary<bool>();
    target.kernel_thread = *rc::gen::arbitrary<bool>();
    target.mem_uid = *id;
    target.user_namespace =
        *rc::gen::element(SameNamespace::yes, SameNamespace::no, SameNamespace::unknown);
    for (auto* attempts : {&target.attempts, &facts.caller.on_itself, &facts.caller.on_own_child}) {
        for (Attempt& attempt : *attempts) attempt = {*rc::gen::arbitrary<bool>(), *error};
    }
    if (*rc::gen::arbitrary<bool>()) facts.target.reset();

    for (const Finding& finding : diagnose(facts).ways) {
        if (finding.verdict != Verdict::refused) continue;
        RC_ASSERT(!finding.reasons.empty());
        const std::string line = one_line(finding.reasons);
        RC_ASSERT(!line.empty());
        RC_ASSERT(line.find('\n') == line.npos);
        for (const Reason& reason : finding.reasons) {
            RC_ASSERT(!reason.what.empty());
            RC_ASSERT(!guard_name(reason.guard).empty());
        }
    }
}

}  // namespace
}  // namespace onecopy::cli
