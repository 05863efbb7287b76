// Who a process is, as /proc/PID/status tells everybody: ids, capabilities, state, filters.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace onecopy::os {

/// Real, effective, saved and file-system id, in the order of the status file.
struct Ids {
    std::uint32_t real = 0;
    std::uint32_t effective = 0;
    std::uint32_t saved = 0;
    std::uint32_t fs = 0;

    bool operator==(const Ids&) const = default;
};

/// Bit n is capability n. Source: linux/capability.h, capabilities(7).
using CapabilitySet = std::uint64_t;
inline constexpr unsigned cap_dac_override = 1;
inline constexpr unsigned cap_sys_ptrace = 19;

inline constexpr bool has_capability(CapabilitySet set, unsigned capability) noexcept {
    return (set >> capability & 1U) != 0;
}

/// The names of a set's capabilities, "cap_sys_ptrace,cap_kill"; numbers for those newer than ours.
std::string capability_names(CapabilitySet set);

/// The lines of a status file that say who may reach whom. Lines that the kernel does not print
/// keep their defaults; older kernels print fewer.
struct ProcessStatus {
    std::string name;          ///< Name: up to 15 bytes (kernel threads: more)
    char state = '?';          ///< State: R S D T t Z X I
    int pid = 0;               ///< Tgid: the process
    int tid = 0;               ///< Pid: the thread the file belongs to
    int parent = 0;            ///< PPid: 0 outside the reader's pid namespace
    int tracer = 0;            ///< TracerPid: 0, nobody
    Ids uid;                   ///< as mapped into the reader's user namespace
    Ids gid;                   ///< as mapped into the reader's user namespace
    std::vector<int> ns_pids;  ///< NSpid: one number per pid namespace, outermost first
    CapabilitySet permitted = 0;
    CapabilitySet effective = 0;
    int seccomp = 0;          ///< Seccomp: 0 off, 1 strict, 2 filter
    int threads = 0;          ///< Threads: a dead leader with live threads counts them all
    bool has_memory = false;  ///< a VmSize line: neither zombie nor kernel thread
};

/// Parses the text of a status file. False if it is none (no Pid and Uid lines).
/// Source: proc(5), /proc/PID/status.
bool parse_process_status(std::string_view text, ProcessStatus& status);

/// Reads /proc/PID/status; needs no right over the process. Errors: ENOENT, no such process (or no
/// /proc); EINVAL, the text is no status file.
ProcessStatus read_process_status(int pid, std::error_code& error);

/// The directory in /proc whose maps, smaps, pagemap and mem show the memory of `pid`: /proc/PID,
/// or that of a live thread where the first one has ended (then /proc/PID shows none).
std::string memory_directory(int pid);

/// The whole of a small file of /proc or /sys. Error: that of open or read.
std::string read_small_file(const std::string& path, std::error_code& error);

}  // namespace onecopy::os
