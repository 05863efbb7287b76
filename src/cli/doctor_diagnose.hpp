// From facts to findings: which ways are open, and for the others which guard refuses and the least
// that would open it. Pure: no system call, nothing global.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/doctor_facts.hpp"

namespace onecopy::cli {

/// What stands between a caller and a target's memory.
enum class Guard {
    no_process,
    hidden,  ///< /proc hides it, or /proc is not mounted, or counts other processes
    zombie,
    kernel_thread,
    leader_exited,
    not_built,  ///< the kernel lacks the call
    seccomp,    ///< a filter over the caller
    user_namespace,
    user_ids,
    group_ids,
    not_dumpable,
    capabilities,
    yama,
    file_mode,        ///< CAP_SYS_PTRACE alone does not open a file of another user
    not_effective,    ///< CAP_SYS_PTRACE permitted but switched off
    security_module,  ///< AppArmor, SELinux, ... : what is left when nothing else refuses
    force_override,   ///< the kernel does not force writes through /proc/PID/mem
    no_module,
    unknown,
};
std::string_view guard_name(Guard guard) noexcept;

struct Reason {
    Guard guard = Guard::unknown;
    std::string what;    ///< "it runs as uid 0, this process as uid 1000"
    std::string remedy;  ///< the least-privilege way out; may be empty where there is none
};

enum class Verdict {
    open,         ///< works
    cooperative,  ///< works without any right, if the target takes part
    refused,
    absent,     ///< not on this machine; nothing is wrong
    not_tried,  ///< what it depends on is refused
};
std::string_view verdict_name(Verdict verdict) noexcept;

struct Finding {
    Way way = Way::process_vm_readv;
    Verdict verdict = Verdict::not_tried;
    std::vector<Reason> reasons;  ///< all guards that refuse, in the order the kernel asks them
};

/// A feature of the kernel, and what is lost without it.
struct FeatureFinding {
    std::string_view name;
    std::string_view since;  ///< the kernel that brought it
    bool works = false;
    std::string_view without;  ///< what is lost where it does not
};

struct Diagnosis {
    std::vector<Finding> ways;
    /// Without a target: what an unrelated process of the same user would meet.
    Finding unrelated;
    std::vector<FeatureFinding> features;
    bool kernel_too_old = false;

    [[nodiscard]] const Finding& operator[](Way way) const {
        return ways.at(static_cast<std::size_t>(way));
    }
    /// Whether the target's memory can be read (or written) by any way that it need not take part
    /// in.
    [[nodiscard]] bool readable() const;
    [[nodiscard]] bool writable() const;
};

/// The oldest kernel on which onecopy works.
inline constexpr int least_kernel_major = 4;
inline constexpr int least_kernel_minor = 18;

Diagnosis diagnose(const Facts& facts);

/// The guards that the kernel's ptrace check would raise for `target`, by what can be seen. With
/// `fs_ids` as for files in /proc (effective ids), else as for system calls (real ids).
std::vector<Reason> ptrace_guards(const KernelFacts& kernel, const CallerFacts& caller,
                                  const TargetFacts& target, bool fs_ids);

/// "what refused it; what to do", for one line. Empty if there is no reason.
std::string one_line(const std::vector<Reason>& reasons);

}  // namespace onecopy::cli
