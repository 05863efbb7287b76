#include "os/process_status.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <memory>

#include "os/fd.hpp"

namespace onecopy::os {
namespace {

constexpr std::array<std::string_view, 41> capability_list{"cap_chown",
                                                           "cap_dac_override",
                                                           "cap_dac_read_search",
                                                           "cap_fowner",
                                                           "cap_fsetid",
                                                           "cap_kill",
                                                           "cap_setgid",
                                                           "cap_setuid",
                                                           "cap_setpcap",
                                                           "cap_linux_immutable",
                                                           "cap_net_bind_service",
                                                           "cap_net_broadcast",
                                                           "cap_net_admin",
                                                           "cap_net_raw",
                                                           "cap_ipc_lock",
                                                           "cap_ipc_owner",
                                                           "cap_sys_module",
                                                           "cap_sys_rawio",
                                                           "cap_sys_chroot",
                                                           "cap_sys_ptrace",
                                                           "cap_sys_pacct",
                                                           "cap_sys_admin",
                                                           "cap_sys_boot",
                                                           "cap_sys_nice",
                                                           "cap_sys_resource",
                                                           "cap_sys_time",
                                                           "cap_sys_tty_config",
                                                           "cap_mknod",
                                                           "cap_lease",
                                                           "cap_audit_write",
                                                           "cap_audit_control",
                                                           "cap_setfcap",
                                                           "cap_mac_override",
                                                           "cap_mac_admin",
                                                           "cap_syslog",
                                                           "cap_wake_alarm",
                                                           "cap_block_suspend",
                                                           "cap_audit_read",
                                                           "cap_perfmon",
                                                           "cap_bpf",
                                                           "cap_checkpoint_restore"};

std::string_view trimmed(std::string_view text) noexcept {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Takes a number off the front of `text`, blanks before it included.
template <class Number>
bool take(std::string_view& text, Number& number, int base = 10) noexcept {
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc{}) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

bool take_ids(std::string_view text, Ids& ids) noexcept {
    return take(text, ids.real) && take(text, ids.effective) && take(text, ids.saved) &&
           take(text, ids.fs);
}

}  // namespace

std::string capability_names(CapabilitySet set) {
    std::string names;
    for (unsigned bit = 0; bit < 64; ++bit) {
        if (!has_capability(set, bit)) continue;
        if (!names.empty()) names += ',';
        if (bit < capability_list.size()) {
            names += capability_list[bit];
        } else {
            names += "cap_" + std::to_string(bit);
        }
    }
    return names;
}

bool parse_process_status(std::string_view text, ProcessStatus& status) {
    status = ProcessStatus{};
    bool has_pid = false;
    bool has_uid = false;
    while (!text.empty()) {
        const std::size_t eol = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, eol);
        text.remove_prefix(std::min(eol + 1, text.size()));
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        const std::string_view key = line.substr(0, colon);
        std::string_view value = trimmed(line.substr(colon + 1));
        if (key == "Name") {
            status.name = value;
        } else if (key == "State") {
            if (!value.empty()) status.state = value.front();
        } else if (key == "Tgid") {
            take(value, status.pid);
        } else if (key == "Pid") {
            has_pid = take(value, status.tid);
        } else if (key == "PPid") {
            take(value, status.parent);
        } else if (key == "TracerPid") {
            take(value, status.tracer);
        } else if (key == "Uid") {
            has_uid = take_ids(value, status.uid);
        } else if (key == "Gid") {
            take_ids(value, status.gid);
        } else if (key == "NSpid") {
            for (int pid = 0; take(value, pid);) status.ns_pids.push_back(pid);
        } else if (key == "CapPrm") {
            take(value, status.permitted, 16);
        } else if (key == "CapEff") {
            take(value, status.effective, 16);
        } else if (key == "Seccomp") {
            take(value, status.seccomp);
        } else if (key == "Threads") {
            take(value, status.threads);
        } else if (key == "VmSize") {
            status.has_memory = true;
        }
    }
    return has_pid && has_uid;
}

ProcessStatus read_process_status(int pid, std::error_code& error) {
    ProcessStatus status;
    const std::string text = read_small_file("/proc/" + std::to_string(pid) + "/status", error);
    if (!error && !parse_process_status(text, status)) {
        error = std::make_error_code(std::errc::invalid_argument);
    }
    return status;
}

std::string memory_directory(int pid) {
    const std::string process = "/proc/" + std::to_string(pid);
    std::error_code error;
    const ProcessStatus leader = read_process_status(pid, error);
    if (error || leader.state != 'Z' || leader.threads <= 1) return process;
    const std::unique_ptr<DIR, int (*)(DIR*)> tasks(::opendir((process + "/task").c_str()),
                                                    ::closedir);
    while (const dirent* entry = tasks ? ::readdir(tasks.get()) : nullptr) {
        const std::string thread = process + "/task/" + entry->d_name;
        ProcessStatus status;
        if (parse_process_status(read_small_file(thread + "/status", error), status) &&
            status.has_memory) {
            return thread;
        }
    }
    return process;
}

std::string read_small_file(const std::string& path, std::error_code& error) {
    error.clear();
    std::string text;
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
        error = {errno, std::system_category()};
        return text;
    }
    std::array<char, 4096> piece;
    for (;;) {
        const ssize_t got = ::read(fd.get(), piece.data(), piece.size());
        if (got == 0) return text;
        if (got > 0) {
            text.append(piece.data(), static_cast<std::size_t>(got));
        } else if (errno != EINTR) {
            error = {errno, std::system_category()};
            return text;
        }
    }
}

}  // namespace onecopy::os
