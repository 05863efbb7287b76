#include "cli/doctor_diagnose.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "cli/doctor_guards.hpp"

namespace onecopy::cli {
namespace {

using os::cap_dac_override;
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
    {"io_uring, deferred", "6.1", "asking whether a target lives costs 0.1 us instead of nothing"},
    {"PAGEMAP_SCAN", "6.7", "dump reads all of pagemap: slow where huge ranges are reserved"},
    {"PROCMAP_QUERY", "6.11", "writes through /proc/PID/mem read the target's maps as text"},
    {"unprivileged userfaultfd", "4.3",
     "nothing that onecopy does needs it; where it works, any program's pages can block a reader"},
}};

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
        } else if (tried.error == ENOENT || tried.error == EINVAL) {  // since 6.9, and before
            refuse(finding, {{Guard::no_process, "the number belongs to a thread, not to a process",
                              "name the process: Tgid in /proc/PID/status"}});
        } else {
            refuse(finding, target_gone(ESRCH));
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
        if (!target_) {
            if (error != ESRCH) return {};
            return {{Guard::unknown, "the child made to try it on ended early", "try again"}};
        }
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
