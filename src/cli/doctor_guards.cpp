#include "cli/doctor_guards.hpp"

#include <fmt/format.h>

#include <cerrno>

namespace onecopy::cli {
namespace {

using os::cap_sys_ptrace;
using os::has_capability;

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

}  // namespace

std::string setcap(const CallerFacts& caller, std::string_view capabilities) {
    return fmt::format("`setcap {}=ep {}`", capabilities,
                       caller.program.empty() ? "PROGRAM" : caller.program);
}

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
    what += modules.empty() ? std::string(
                                  " (Landlock, AppArmor, SELinux, BPF: which, the kernel "
                                  "does not tell)")
                            : fmt::format(" (loaded: {})", modules);
    if (!target.label.empty()) what += fmt::format("; it is labelled \"{}\"", target.label);
    if (!caller.label.empty()) what += fmt::format(", this process \"{}\"", caller.label);
    return {
        {Guard::security_module, what,
         "run this outside of the sandbox that confines it, or allow ptrace between both in the "
         "module's policy (AppArmor: `ptrace (read, trace) peer=...`)"}};
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

}  // namespace onecopy::cli
