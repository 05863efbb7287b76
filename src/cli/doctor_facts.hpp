// Everything the doctor knows before it thinks: gathered in doctor_gather.cpp, judged in
// doctor_diagnose.cpp. Plain data, so that a test can write down any machine, caller and target.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/process_status.hpp"

namespace onecopy::cli {

/// The ways of reaching another process's memory.
enum class Way {
    process_vm_readv,   ///< the system call, copying here
    process_vm_writev,  ///< the system call, copying there
    proc_mem_read,      ///< /proc/PID/mem opened for reading
    proc_mem_write,     ///< /proc/PID/mem opened for writing
    proc_mem_force,     ///< the same into read-only pages, as debuggers do
    pidfd_open,         ///< a handle that cannot be recycled; moves nothing by itself
    pidfd_getfd,        ///< taking the target's descriptor, for example of its memfd
    memfd,              ///< memory the target hands out: inherited or sent with SCM_RIGHTS
    vmsplice,           ///< pages the target lends through a pipe
    module,             ///< the optional kernel module
};
inline constexpr std::size_t way_count = 10;
inline constexpr std::array<std::string_view, way_count> way_names{"process_vm_readv",
                                                                   "process_vm_writev",
                                                                   "/proc/PID/mem read",
                                                                   "/proc/PID/mem write",
                                                                   "/proc/PID/mem force",
                                                                   "pidfd_open",
                                                                   "pidfd_getfd",
                                                                   "memfd",
                                                                   "vmsplice",
                                                                   "/dev/onecopy"};

/// What trying something answered.
struct Attempt {
    bool made = false;
    int error = 0;        ///< errno, 0 when it worked
    bool killed = false;  ///< a filter ended the child that tried it: never try it here

    [[nodiscard]] bool worked() const noexcept { return made && error == 0 && !killed; }
    [[nodiscard]] bool failed() const noexcept { return made && !worked(); }
};
struct Attempts : std::array<Attempt, way_count> {
    Attempt& operator[](Way way) { return at(static_cast<std::size_t>(way)); }
    const Attempt& operator[](Way way) const { return at(static_cast<std::size_t>(way)); }
};

/// Kernel features that make something better where they exist.
enum class Feature {
    pidfd_open,
    pidfd_getfd,
    madvise_populate,
    futex_waitv,
    madvise_collapse,
    deferred_completions,
    pagemap_scan,
    procmap_query,
    userfaultfd,
};
inline constexpr std::size_t feature_count = 9;

struct KernelFacts {
    std::string release;  ///< uname -r
    int major = 0;
    int minor = 0;
    std::string machine;                        ///< uname -m
    std::optional<int> yama_scope;              ///< empty: no Yama here
    std::vector<std::string> security_modules;  ///< empty where the kernel does not tell
    std::array<Attempt, feature_count> features;
};

struct CallerFacts {
    os::ProcessStatus status;
    std::string program;  ///< path of the executable, for the remedies
    std::string label;    ///< what a security module calls it; empty without one
    bool proc_mounted = true;
    bool proc_is_ours = true;  ///< /proc numbers processes as this process's pid namespace does
    Attempts on_itself;        ///< a process may always reach itself: a failure is a filter
    Attempts on_own_child;     ///< with bytes really moved
};

/// Whether two processes are in the same user namespace.
enum class SameNamespace { yes, no, unknown };

struct TargetFacts {
    int pid = 0;
    bool exists = true;   ///< a signal could be addressed to it
    bool in_proc = true;  ///< /proc/PID is there
    bool is_caller = false;
    bool kernel_thread = false;
    bool caller_is_ancestor = false;
    os::ProcessStatus status;
    /// The owner of /proc/PID/mem: the target's effective ids, or root when it is not dumpable.
    /// (The directory /proc/PID itself always belongs to the effective ids.)
    std::optional<std::uint32_t> mem_uid;
    std::optional<std::uint32_t> mem_gid;
    SameNamespace user_namespace = SameNamespace::unknown;
    std::string label;    ///< what a security module calls it; empty if hidden or without one
    int live_thread = 0;  ///< a thread that still runs where the first one has ended
    Attempts attempts;
};

struct Facts {
    KernelFacts kernel;
    CallerFacts caller;
    std::optional<TargetFacts> target;  ///< empty: the machine in general is asked about
};

}  // namespace onecopy::cli
