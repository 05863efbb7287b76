#include "cli/doctor_gather.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <climits>
#include <memory>

#include "os/fd.hpp"

namespace onecopy::cli {
namespace {

Attempt attempted(bool worked) { return {true, worked ? 0 : errno}; }

std::string link_text(const std::string& path) {
    std::array<char, PATH_MAX> text;
    const ssize_t bytes = ::readlink(path.c_str(), text.data(), text.size());
    return bytes < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(bytes));
}

/// A security module's name for a process, without the newline or the NUL that some put there.
std::string label_of(const std::string& pid) {
    std::error_code error;
    std::string label = os::read_small_file("/proc/" + pid + "/attr/current", error);
    while (!label.empty() && (label.back() == '\n' || label.back() == '\0')) label.pop_back();
    return error ? std::string() : label;
}

std::vector<std::string> security_modules() {
    std::error_code error;
    const std::string text = os::read_small_file("/sys/kernel/security/lsm", error);
    std::vector<std::string> names;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find_first_of(",\n", at), text.size());
        if (end > at) names.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return names;
}

KernelFacts gather_kernel() {
    KernelFacts kernel;
    utsname names{};
    if (::uname(&names) == 0) {
        kernel.release = names.release;
        kernel.machine = names.machine;
        parse_release(kernel);
    }
    std::error_code error;
    const std::string scope = os::read_small_file("/proc/sys/kernel/yama/ptrace_scope", error);
    int number = 0;
    if (!error &&
        std::from_chars(scope.data(), scope.data() + scope.size(), number).ec == std::errc{}) {
        kernel.yama_scope = number;
    }
    kernel.security_modules = security_modules();
    return kernel;
}

/// The system calls that need no /proc overwrite what its text may have left out.
void ask_kernel_who_we_are(os::ProcessStatus& status) {
    status.pid = ::getpid();
    ::getresuid(&status.uid.real, &status.uid.effective, &status.uid.saved);
    ::getresgid(&status.gid.real, &status.gid.effective, &status.gid.saved);
    status.uid.fs = status.uid.effective;
    status.gid.fs = status.gid.effective;
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) == 0) {
        status.permitted = sets[0].permitted | os::CapabilitySet{sets[1].permitted} << 32;
        status.effective = sets[0].effective | os::CapabilitySet{sets[1].effective} << 32;
    }
    const int mode = ::prctl(PR_GET_SECCOMP);
    if (mode >= 0) status.seccomp = mode;
}

CallerFacts gather_caller(bool with_child) {
    CallerFacts caller;
    struct stat proc {};
    std::error_code error;
    caller.proc_mounted = ::stat("/proc/self", &proc) == 0;
    if (caller.proc_mounted) {
        caller.proc_is_ours = link_text("/proc/self") == std::to_string(::getpid());
        os::parse_process_status(os::read_small_file("/proc/self/status", error), caller.status);
        caller.program = link_text("/proc/self/exe");
        caller.label = label_of("self");
    }
    ask_kernel_who_we_are(caller.status);
    caller.on_itself = try_on_itself();
    if (with_child) caller.on_own_child = try_on_own_child(caller.on_itself);
    return caller;
}

/// Field 9 of /proc/PID/stat has PF_KTHREAD. Source: proc(5); linux/sched.h.
bool is_kernel_thread(const std::string& proc) {
    constexpr unsigned long kernel_thread_flag = 0x00200000;
    std::error_code error;
    const std::string stat = os::read_small_file(proc + "/stat", error);
    std::size_t at = stat.rfind(')');  // the name before it may hold anything
    for (int field = 2; field < 9 && at != std::string::npos; ++field) at = stat.find(' ', at + 1);
    if (at == std::string::npos) return false;
    unsigned long flags = 0;
    std::from_chars(stat.data() + at + 1, stat.data() + stat.size(), flags);
    return (flags & kernel_thread_flag) != 0;
}

/// Whether `ancestor` is on the target's line of parents, as far as this pid namespace shows it.
bool is_ancestor(int ancestor, int parent_of_target) {
    constexpr int deepest = 1000;  // against a parent that changes while we walk
    int at = parent_of_target;
    for (int depth = 0; at > 0 && depth < deepest; ++depth) {
        if (at == ancestor) return true;
        std::error_code error;
        at = os::read_process_status(at, error).parent;
        if (error) return false;
    }
    return false;
}

/// By the inode of the namespace where it may be looked at, else by the map, which everybody may
/// read and which is told from the reader's point of view.
SameNamespace same_user_namespace(const std::string& proc) {
    struct stat own {};
    struct stat other {};
    if (::stat("/proc/self/ns/user", &own) == 0 &&
        ::stat((proc + "/ns/user").c_str(), &other) == 0) {
        return own.st_ino == other.st_ino ? SameNamespace::yes : SameNamespace::no;
    }
    std::error_code own_error;
    std::error_code other_error;
    const std::string own_map = os::read_small_file("/proc/self/uid_map", own_error);
    const std::string other_map = os::read_small_file(proc + "/uid_map", other_error);
    if (!own_error && !other_error && own_map != other_map) return SameNamespace::no;
    return SameNamespace::unknown;
}

int find_live_thread(const std::string& proc) {
    const std::unique_ptr<DIR, int (*)(DIR*)> tasks(::opendir((proc + "/task").c_str()),
                                                    ::closedir);
    if (!tasks) return 0;
    while (const dirent* entry = ::readdir(tasks.get())) {
        std::error_code error;
        os::ProcessStatus thread;
        const std::string path = proc + "/task/" + entry->d_name + "/status";
        if (os::parse_process_status(os::read_small_file(path, error), thread) &&
            thread.state != 'Z' && thread.state != 'X') {
            return thread.tid;
        }
    }
    return 0;
}

/// Asks for the right to move a byte: a good local one, and a remote address that no process can
/// map. EFAULT: the right was there.
Attempt probe(int pid, bool write) {
    char byte = 0;
    const iovec local{&byte, 1};
    const iovec remote{reinterpret_cast<void*>(~std::uintptr_t{0} << (sizeof(void*) * 8 - 12)), 1};
    const ssize_t moved = write ? ::process_vm_writev(pid, &local, 1, &remote, 1, 0)
                                : ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
    return attempted(moved >= 0 || errno == EFAULT);
}

Attempts try_on_target(const CallerFacts& caller, int pid) {
    Attempts attempts;
    const auto harmless = [&](Way way) { return !caller.on_itself[way].killed; };
    if (harmless(Way::process_vm_readv)) attempts[Way::process_vm_readv] = probe(pid, false);
    if (harmless(Way::process_vm_writev)) attempts[Way::process_vm_writev] = probe(pid, true);
    if (caller.proc_mounted && caller.proc_is_ours) {
        // Where the first thread has ended, its /proc entry shows no memory, but a live one does.
        const std::string mem = os::memory_directory(pid) + "/mem";
        attempts[Way::proc_mem_read] =
            attempted(static_cast<bool>(os::Fd(::open(mem.c_str(), O_RDONLY | O_CLOEXEC))));
        attempts[Way::proc_mem_write] =
            attempted(static_cast<bool>(os::Fd(::open(mem.c_str(), O_RDWR | O_CLOEXEC))));
    }
    if (!harmless(Way::pidfd_open)) return attempts;
    const os::Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    attempts[Way::pidfd_open] = attempted(static_cast<bool>(pidfd));
    if (pidfd && harmless(Way::pidfd_getfd)) {
        // A number that no process has open: EBADF is said only after the right was found.
        const os::Fd taken(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), INT_MAX, 0)));
        attempts[Way::pidfd_getfd] = attempted(taken || errno == EBADF);
    }
    return attempts;
}

}  // namespace

void parse_release(KernelFacts& kernel) {
    const std::string& text = kernel.release;
    const char* end = text.data() + text.size();
    const auto major = std::from_chars(text.data(), end, kernel.major);
    if (major.ec == std::errc{} && major.ptr != end && *major.ptr == '.') {
        std::from_chars(major.ptr + 1, end, kernel.minor);
    }
}

Facts gather_facts(bool with_child) {
    Facts facts;
    facts.kernel = gather_kernel();
    facts.caller = gather_caller(with_child);
    if (with_child) facts.kernel.features = try_features();
    return facts;
}

TargetFacts gather_target(const CallerFacts& caller, int pid) {
    TargetFacts target;
    target.pid = pid;
    target.exists = ::kill(pid, 0) == 0 || errno != ESRCH;
    // A /proc of another namespace describes somebody else under this number.
    const bool proc_usable = caller.proc_mounted && caller.proc_is_ours;
    const std::string proc = "/proc/" + std::to_string(pid);
    std::error_code error;
    if (proc_usable) target.status = os::read_process_status(pid, error);
    target.in_proc = proc_usable && !error;
    if (target.in_proc) {
        target.is_caller = target.status.pid == caller.status.pid;
        target.kernel_thread = is_kernel_thread(proc);
        target.caller_is_ancestor = is_ancestor(caller.status.pid, target.status.parent);
        target.user_namespace = same_user_namespace(proc);
        target.label = label_of(std::to_string(pid));
        target.live_thread = find_live_thread(proc);
        struct stat mem {};
        if (::stat((proc + "/mem").c_str(), &mem) == 0) {
            target.mem_uid = mem.st_uid;
            target.mem_gid = mem.st_gid;
        }
    }
    target.attempts = try_on_target(caller, pid);
    return target;
}

}  // namespace onecopy::cli
