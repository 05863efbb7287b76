#include "cli/doctor_diagnose.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace onecopy::cli {
namespace {

using os::cap_dac_override;
using os::cap_sys_ptrace;
using os::has_capability;

constexpr unsigned cap_dac_read_search = 2;

struct FeatureText {
    std::string_view name, since, without;
};
constexpr std::array<FeatureText, feature_count> feature_texts{{
    {"pidfd_open", "5.3",
     "a target's death is seen in its /proc directory: some 10 us a check instead of 0.2"},
    {"pidfd_getfd", "5.6", "descriptors of shared memory come by inheritance or SCM_RIGHTS only"},
    {"MADV_POPULATE_WRITE", "5.14", "fresh shared memory is touched page by page"},
    {"futex_waitv", "5.16", "a waiting process sees a peer's death by a timeout of some 50 ms"},
    {"MADV_COLLAPSE", "6.1", "shared memory gets huge pages only where shmem_enabled allows them"},
    {"PAGEMAP_SCAN", "6.7", "dump reads all of pagemap: slow where huge ranges are reserved"},
    {"PROCMAP_QUERY", "6.11", "writes through /proc/PID/mem read the target's maps as text"},
    {"unprivileged userfaultfd", "4.3",
     "nothing that onecopy does needs it; where it works, any program's pages can block a reader"},
}};

std::string ids_text(std::string_view kind, const os::Ids& ids) {
    if (ids.real == ids.effective && ids.real == ids.saved) {
        return fmt::format("{} {}", kind, ids.real);
    }
    return fmt::format("{}s {}/{}/{} (real/effective/saved)", kind, ids.real, ids.effective,
                       ids.saved);
}

bool all_equal(const os::Ids& ids, std::uint32_t id) {
    return ids.real == id && ids.effective == id && ids.saved == id;
}

std::string setcap(const CallerFacts& caller, std::string_view capabilities) {
    return fmt::format("`setcap {}=ep {}`", capabilities,
                       caller.program.empty() ? "PROGRAM" : caller.program);
}

/// The refusals that no right would lift: there is no memory to reach, or nobody by that number.
std::vector<Reason> no_memory(const CallerFacts& caller, const TargetFacts& target) {
    if (!target.exists && !target.in_proc) {
        return {{Guard::no_process, fmt::format("there is no process {} here", target.pid),
                 "check the number; a process of another container has another number outside "
                 "of it"}};
    }
    if (!caller.proc_mounted || !target.in_proc) return {};
    const bool ended = target.status.state == 'Z' || target.status.state == 'X';
    if (ended && target.status.threads > 1) {
        return {{Guard::leader_exited,
                 "its first thread has ended, and the kernel looks for the memory there",
                 target.live_thread > 0
                     ? fmt::format("name one of its live threads instead: {}", target.live_thread)
                     : "name one of its live threads instead (/proc/PID/task)"}};
    }
    if (ended) {
        return {{Guard::zombie, "it has ended and only waits for its parent to notice",
                 "nothing of its memory is left; a core dump must be taken before the end"}};
    }
    if (target.kernel_thread) {
        return {{Guard::kernel_thread, "it is a thread of the kernel and has no memory of its own",
                 "name a process"}};
    }
    return {};
}

void add_identity_guards(std::vector<Reason>& guards, const CallerFacts& caller,
                         const TargetFacts& target, bool fs_ids) {
    const std::uint32_t uid = fs_ids ? caller.status.uid.fs : caller.status.uid.real;
    const std::uint32_t gid = fs_ids ? caller.status.gid.fs : caller.status.gid.real;
    const os::Ids& uids = target.status.uid;
    const os::Ids& gids = target.status.gid;
    const std::string_view which = fs_ids ? "effective " : "";
    if (!all_equal(uids, uid)) {
        const bool setuid_program = !(uids.real == uids.effective && uids.real == uids.saved);
        std::string remedy;
        if (setuid_program) {
            remedy = "run this as root, since a process with mixed ids is open to nobody else";
        } else if (uids.real == 0) {
            remedy = "run this as root";
        } else {
            remedy = fmt::format("run both as the same user (`sudo -u '#{}'` here)", uids.real);
        }
        const std::string own = caller.status.uid.real == caller.status.uid.effective
                                    ? fmt::format("uid {}", uid)
                                    : fmt::format("{}uid {}", fs_ids ? "effective " : "real ", uid);
        guards.push_back(
            {Guard::user_ids,
             fmt::format("it runs as {}, this process as {}", ids_text("uid", uids), own), remedy});
    } else if (!all_equal(gids, gid)) {
        guards.push_back(
            {Guard::group_ids,
             fmt::format("it runs with {}, this process with {}gid {} (the users are the same, but "
                         "the kernel compares the groups as well)",
                         ids_text("gid", gids), which, gid),
             fmt::format("run both with the same group (`sg` or `newgrp`; group {} here)",
                         gids.effective)});
    }
    if ((target.mem_uid && *target.mem_uid != uids.effective) ||
        (target.mem_gid && *target.mem_gid != gids.effective)) {
        guards.push_back({Guard::not_dumpable,
                          "it is not dumpable (it changed its user, runs a file that its user "
                          "cannot read, or asked not to be)",
                          "let it call prctl(PR_SET_DUMPABLE, 1) after the change of user"});
    }
}

void add_yama_guard(std::vector<Reason>& guards, const KernelFacts& kernel,
                    const CallerFacts& caller, const TargetFacts& target, bool capable) {
    const int scope = kernel.yama_scope.value_or(0);
    if (scope >= 3) {
        guards.push_back({Guard::yama, "Yama (ptrace_scope 3) lets nobody in, root neither",
                          "use memory that the target hands out (memfd); scope 3 stays until the "
                          "next boot"});
    } else if (scope == 2 && !capable) {
        guards.push_back(
            {Guard::yama, "Yama (ptrace_scope 2) asks for CAP_SYS_PTRACE",
             fmt::format("give it to this one program: {}", setcap(caller, "cap_sys_ptrace"))});
    } else if (scope == 1 && !capable && !target.caller_is_ancestor &&
               target.status.tracer != caller.status.pid) {
        guards.push_back({Guard::yama,
                          "Yama (ptrace_scope 1) lets in only ancestors of the target, its "
                          "debugger, and the process that it names",
                          "let the target call prctl(PR_SET_PTRACER, pid of the reader or of an "
                          "ancestor of the reader), or start it from the reader"});
    }
}

/// What may refuse although nothing that can be seen does.
std::vector<Reason> hidden_guards(const KernelFacts& kernel, const CallerFacts& caller,
                                  const TargetFacts& target) {
    if (!caller.proc_mounted) {
        return {{Guard::hidden, "the kernel refuses, and without /proc the guard cannot be seen",
                 "mount /proc and ask again"}};
    }
    if (!target.in_proc) {
        return {{Guard::hidden,
                 "the kernel refuses, and /proc hides the process (hidepid, or another user's)",
                 "run both as the same user"}};
    }
    const bool capable = has_capability(caller.status.effective, cap_sys_ptrace);
    if (!capable && target.status.uid.effective == 0 && target.status.gid.effective == 0) {
        return {{Guard::not_dumpable,
                 "it is probably not dumpable (for root's processes this "
                 "cannot be seen)",
                 "let it call prctl(PR_SET_DUMPABLE, 1), or give this program CAP_SYS_PTRACE: " +
                     setcap(caller, "cap_sys_ptrace")}};
    }
    std::string modules;
    for (const std::string& name : kernel.security_modules) {
        if (name == "capability" || name == "yama") continue;
        modules += (modules.empty() ? "" : ", ") + name;
    }
    std::string what = "no check of the kernel's own refuses, so a security module does";
    if (!modules.empty()) what += fmt::format(" (loaded: {})", modules);
    if (!target.label.empty()) what += fmt::format("; it is labelled \"{}\"", target.label);
    if (!caller.label.empty()) what += fmt::format(", this process \"{}\"", caller.label);
    return {{Guard::security_module, what,
             "allow ptrace between the two labels in its policy (AppArmor: `ptrace (read, trace) "
             "peer=...`), or give both the same one"}};
}

std::vector<Reason> call_guards(std::string_view call, std::string_view missing,
                                const CallerFacts& caller, const Attempt& tried) {
    if (tried.error == ENOSYS && caller.status.seccomp == 0) {
        return {{Guard::not_built, fmt::format("this kernel has no {} ({})", call, missing),
                 "use a kernel that has it"}};
    }
    return {{Guard::seccomp,
             fmt::format("a seccomp filter over this process {} {}, even on itself",
                         tried.killed ? "kills it at" : "refuses", call),
             "let the filter allow it: Docker does since 2021 and containerd since the end of "
             "2022, older ones with --cap-add=SYS_PTRACE; elsewhere in the sandbox's profile"}};
}

class Doctor {
public:
    explicit Doctor(const Facts& facts)
        : kernel_(facts.kernel), caller_(facts.caller), target_(facts.target) {}

    Finding examine(Way way) const {
        Finding finding;
        finding.way = way;
        switch (way) {
            case Way::process_vm_readv:
            case Way::process_vm_writev:
                system_call(finding, false);
                break;
            case Way::pidfd_getfd:
                system_call(finding, true);
                break;
            case Way::pidfd_open:
                pidfd_open(finding);
                break;
            case Way::proc_mem_read:
            case Way::proc_mem_write:
                proc_mem(finding);
                break;
            case Way::proc_mem_force:
                force(finding);
                break;
            case Way::memfd:
            case Way::vmsplice:
                cooperative(finding);
                break;
            case Way::module:
                module(finding);
                break;
        }
        return finding;
    }

private:
    const Attempt& attempt(Way way) const {
        return target_ ? target_->attempts[way] : caller_.on_own_child[way];
    }

    static void refuse(Finding& finding, std::vector<Reason> reasons) {
        finding.verdict = Verdict::refused;
        finding.reasons = std::move(reasons);
    }

    void ptrace_refusal(Finding& finding, bool fs_ids) const {
        std::vector<Reason> reasons;
        if (target_) {
            reasons = ptrace_guards(kernel_, caller_, *target_, fs_ids);
            if (reasons.empty()) reasons = hidden_guards(kernel_, caller_, *target_);
        } else {
            reasons.push_back({Guard::unknown,
                               "not even a child of this process can be reached: a "
                               "sandbox stands in between",
                               "run it outside of the sandbox"});
        }
        refuse(finding, std::move(reasons));
    }

    void system_call(Finding& finding, bool needs_pidfd) const {
        const Attempt& on_itself = caller_.on_itself[finding.way];
        const Attempt& tried = attempt(finding.way);
        const auto name = way_names[static_cast<std::size_t>(finding.way)];
        if (on_itself.failed()) {
            refuse(finding,
                   call_guards(name, needs_pidfd ? "since Linux 5.6" : "CONFIG_CROSS_MEMORY_ATTACH",
                               caller_, on_itself));
        } else if (tried.worked()) {
            finding.verdict = Verdict::open;
        } else if (!tried.made) {
            finding.verdict = Verdict::not_tried;
            if (needs_pidfd) {
                finding.reasons.push_back({Guard::unknown, "it needs a pidfd first", ""});
            }
        } else if (std::vector<Reason> gone = target_gone(tried.error); !gone.empty()) {
            refuse(finding, std::move(gone));
        } else {
            ptrace_refusal(finding, false);
        }
    }

    void pidfd_open(Finding& finding) const {
        const Attempt& tried = attempt(finding.way);
        const Attempt& on_itself = caller_.on_itself[finding.way];
        if (on_itself.failed()) {
            refuse(finding, call_guards("pidfd_open", "since Linux 5.3", caller_, on_itself));
        } else if (tried.worked()) {
            finding.verdict = Verdict::open;
        } else if (tried.error == ENOSYS || tried.error == EPERM || tried.error == EACCES) {
            refuse(finding, call_guards("pidfd_open", "since Linux 5.3", caller_, tried));
        } else if (std::vector<Reason> gone = target_gone(ESRCH); !gone.empty()) {
            refuse(finding, std::move(gone));
        } else {
            refuse(finding, {{Guard::no_process, "the number belongs to a thread, not to a process",
                              "name the process: Tgid in /proc/PID/status"}});
        }
    }

    void proc_mem(Finding& finding) const {
        const Attempt& tried = attempt(finding.way);
        if (tried.worked()) {
            finding.verdict = Verdict::open;
            return;
        }
        if (!caller_.proc_mounted) {
            refuse(finding, {{Guard::hidden, "/proc is not mounted here",
                              "mount it (`mount -t proc proc /proc`), or use process_vm_readv"}});
            return;
        }
        if (!caller_.proc_is_ours) {
            refuse(finding, {{Guard::hidden,
                              "/proc counts the processes of another pid namespace than this "
                              "process's",
                              "mount a /proc of its own in this pid namespace"}});
            return;
        }
        std::vector<Reason> gone = target_gone(tried.error);
        if (!gone.empty()) {
            refuse(finding, std::move(gone));
            return;
        }
        if (target_) {
            std::vector<Reason> reasons = ptrace_guards(kernel_, caller_, *target_, true);
            const bool override_mode =
                has_capability(caller_.status.effective, cap_dac_override) ||
                (finding.way == Way::proc_mem_read &&
                 has_capability(caller_.status.effective, cap_dac_read_search));
            if (reasons.empty() && target_->mem_uid && !override_mode &&
                *target_->mem_uid != caller_.status.uid.fs) {
                refuse(finding,
                       {{Guard::file_mode,
                         fmt::format("CAP_SYS_PTRACE alone does not open the file /proc/{}/mem, "
                                     "which belongs to uid {}",
                                     target_->pid, *target_->mem_uid),
                         fmt::format("use process_vm_readv, which asks for nothing more, or {}",
                                     setcap(caller_, "cap_sys_ptrace,cap_dac_override"))}});
                return;
            }
        }
        ptrace_refusal(finding, true);
    }

    /// No way to try it on somebody else's process without harm: what holds for our child holds.
    void force(Finding& finding) const {
        if (target_ && !target_->attempts[Way::proc_mem_write].worked()) {
            finding.verdict = Verdict::not_tried;
            finding.reasons.push_back({Guard::unknown, "it needs the file opened for writing", ""});
            return;
        }
        const Attempt& tried = caller_.on_own_child[Way::proc_mem_force];
        if (tried.worked()) {
            finding.verdict = Verdict::open;
        } else if (tried.made && caller_.on_own_child[Way::proc_mem_write].worked()) {
            refuse(finding, {{Guard::force_override,
                              "this kernel does not write into read-only pages for others "
                              "(proc_mem.force_override); ordinary writes are not affected",
                              "only debuggers need it: they get it with "
                              "proc_mem.force_override=ptrace"}});
        } else {
            finding.verdict = Verdict::not_tried;
            finding.reasons.push_back({Guard::unknown, "it needs the file opened for writing", ""});
        }
    }

    void cooperative(Finding& finding) const {
        const Attempt& on_itself = caller_.on_itself[finding.way];
        const Attempt& with_child = caller_.on_own_child[finding.way];
        if (on_itself.failed()) {
            refuse(finding, call_guards(finding.way == Way::memfd ? "memfd_create" : "vmsplice",
                                        "it was built without it", caller_, on_itself));
        } else if (with_child.worked()) {
            finding.verdict = Verdict::cooperative;
        } else {
            refuse(finding, {{Guard::unknown, "a child of this process could not hand it over",
                              "run it outside of the sandbox"}});
        }
    }

    void module(Finding& finding) const {
        const Attempt& tried = caller_.on_itself[Way::module];
        if (tried.worked()) {
            finding.verdict = Verdict::open;
        } else if (tried.error == EACCES || tried.error == EPERM) {
            refuse(finding, {{Guard::file_mode, "this user may not open /dev/onecopy",
                              "add the user to the group that owns the device"}});
        } else {
            finding.verdict = Verdict::absent;
            finding.reasons.push_back(
                {Guard::no_module, "the optional kernel module is not loaded", ""});
        }
    }

    std::vector<Reason> target_gone(int error) const {
        if (!target_) return {};
        std::vector<Reason> reasons = no_memory(caller_, *target_);
        if (reasons.empty() && error == ESRCH) {
            reasons.push_back({Guard::no_process,
                               fmt::format("process {} has ended meanwhile", target_->pid), ""});
        }
        return reasons;
    }

    const KernelFacts& kernel_;
    const CallerFacts& caller_;
    const std::optional<TargetFacts>& target_;
};

/// A process of the caller's own user, started by somebody else, with nothing special about it.
TargetFacts unrelated_process(const CallerFacts& caller) {
    TargetFacts target;
    target.pid = caller.status.pid + 1;
    target.status.uid = {caller.status.uid.real, caller.status.uid.real, caller.status.uid.real,
                         caller.status.uid.real};
    target.status.gid = {caller.status.gid.real, caller.status.gid.real, caller.status.gid.real,
                         caller.status.gid.real};
    target.status.state = 'S';
    target.status.threads = 1;
    target.status.has_memory = true;
    target.user_namespace = SameNamespace::yes;
    return target;
}

}  // namespace

std::string_view guard_name(Guard guard) noexcept {
    switch (guard) {
        case Guard::no_process:
            return "no_process";
        case Guard::hidden:
            return "hidden";
        case Guard::zombie:
            return "zombie";
        case Guard::kernel_thread:
            return "kernel_thread";
        case Guard::leader_exited:
            return "leader_exited";
        case Guard::not_built:
            return "not_built";
        case Guard::seccomp:
            return "seccomp";
        case Guard::user_namespace:
            return "user_namespace";
        case Guard::user_ids:
            return "user_ids";
        case Guard::group_ids:
            return "group_ids";
        case Guard::not_dumpable:
            return "not_dumpable";
        case Guard::capabilities:
            return "capabilities";
        case Guard::yama:
            return "yama";
        case Guard::file_mode:
            return "file_mode";
        case Guard::not_effective:
            return "not_effective";
        case Guard::security_module:
            return "security_module";
        case Guard::force_override:
            return "force_override";
        case Guard::no_module:
            return "no_module";
        case Guard::unknown:
            break;
    }
    return "unknown";
}

std::string_view verdict_name(Verdict verdict) noexcept {
    switch (verdict) {
        case Verdict::open:
            return "open";
        case Verdict::cooperative:
            return "cooperative";
        case Verdict::refused:
            return "refused";
        case Verdict::absent:
            return "absent";
        case Verdict::not_tried:
            break;
    }
    return "not_tried";
}

// The order is the kernel's: ids, then dumpable, then capabilities, then the security modules.
// CAP_SYS_PTRACE in the target's user namespace replaces the first three and Yama's scopes 1 and 2.
std::vector<Reason> ptrace_guards(const KernelFacts& kernel, const CallerFacts& caller,
                                  const TargetFacts& target, bool fs_ids) {
    std::vector<Reason> guards = no_memory(caller, target);
    if (!guards.empty() || target.is_caller || !caller.proc_mounted || !target.in_proc) {
        return guards;
    }
    const bool elsewhere = target.user_namespace == SameNamespace::no;
    const bool capable = has_capability(caller.status.effective, cap_sys_ptrace) && !elsewhere;
    if (!capable) {
        if (elsewhere) {
            guards.push_back(
                {Guard::user_namespace,
                 "it lives in another user namespace (another container) than this process",
                 fmt::format("enter it: `nsenter --target {} --user --pid --mount`, or run both in "
                             "one container",
                             target.pid)});
        }
        add_identity_guards(guards, caller, target, fs_ids);
        const os::CapabilitySet held = fs_ids ? caller.status.effective : caller.status.permitted;
        const os::CapabilitySet extra = target.status.permitted & ~held;
        // Root's processes hold them all: then the user is the reason, and the list only noise.
        const bool root_against_user = target.status.uid.effective == 0 && !guards.empty();
        if (!elsewhere && extra != 0 && !root_against_user) {
            guards.push_back(
                {Guard::capabilities,
                 fmt::format("it holds capabilities that this process lacks ({})",
                             os::capability_names(extra)),
                 fmt::format("let it drop what it does not need, or give this program the same: {}",
                             setcap(caller, os::capability_names(extra)))});
        }
    }
    add_yama_guard(guards, kernel, caller, target, capable);
    if (!guards.empty() && !capable && !elsewhere &&
        has_capability(caller.status.permitted, cap_sys_ptrace) &&
        !has_capability(caller.status.effective, cap_sys_ptrace)) {
        guards.push_back(
            {Guard::not_effective,
             "this process is permitted CAP_SYS_PTRACE but it is not effective",
             "raise it with capset(2), or mark the program: " + setcap(caller, "cap_sys_ptrace")});
    }
    return guards;
}

bool Diagnosis::readable() const {
    return (*this)[Way::process_vm_readv].verdict == Verdict::open ||
           (*this)[Way::proc_mem_read].verdict == Verdict::open;
}

bool Diagnosis::writable() const {
    return (*this)[Way::process_vm_writev].verdict == Verdict::open ||
           (*this)[Way::proc_mem_write].verdict == Verdict::open;
}

Diagnosis diagnose(const Facts& facts) {
    Diagnosis diagnosis;
    const Doctor doctor(facts);
    for (std::size_t i = 0; i < way_count; ++i) {
        diagnosis.ways.push_back(doctor.examine(static_cast<Way>(i)));
    }
    if (!facts.target) {
        diagnosis.unrelated.reasons =
            ptrace_guards(facts.kernel, facts.caller, unrelated_process(facts.caller), false);
        if (facts.caller.on_itself[Way::process_vm_readv].failed()) {
            diagnosis.unrelated = diagnosis[Way::process_vm_readv];
        } else {
            diagnosis.unrelated.verdict =
                diagnosis.unrelated.reasons.empty() ? Verdict::open : Verdict::refused;
        }
    }
    for (std::size_t i = 0; i < feature_count; ++i) {
        const FeatureText& text = feature_texts[i];
        diagnosis.features.push_back(
            {text.name, text.since, facts.kernel.features[i].worked(), text.without});
    }
    diagnosis.kernel_too_old = std::pair(facts.kernel.major, facts.kernel.minor) <
                               std::pair(least_kernel_major, least_kernel_minor);
    return diagnosis;
}

std::string one_line(const std::vector<Reason>& reasons) {
    if (reasons.empty()) return {};
    std::string line;
    for (std::size_t i = 0; i < reasons.size(); ++i) {
        if (i > 0) line += i + 1 == reasons.size() ? ", and " : ", ";
        line += reasons[i].what;
    }
    std::string remedies;
    for (const Reason& reason : reasons) {
        // Only the last: raising a capability that is already permitted passes all that came
        // before.
        if (reason.guard == Guard::not_effective) remedies.clear();
        if (reason.remedy.empty()) continue;
        remedies += (remedies.empty() ? "" : "; and ") + reason.remedy;
    }
    if (!remedies.empty()) line += "; " + remedies;
    return line;
}

}  // namespace onecopy::cli
