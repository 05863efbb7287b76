#include "support/rights.hpp"

#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <vector>

namespace onecopy::test {
namespace {

int set_capabilities(std::uint64_t permitted, std::uint64_t effective) noexcept {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    for (unsigned half = 0; half < 2; ++half) {
        data[half].permitted = static_cast<std::uint32_t>(permitted >> (32 * half));
        data[half].effective = static_cast<std::uint32_t>(effective >> (32 * half));
    }
    return ::syscall(SYS_capset, &header, data.data()) == 0 ? 0 : errno;
}

constexpr std::uint32_t native_arch =
#if defined(__x86_64__)
    AUDIT_ARCH_X86_64;
#elif defined(__i386__)
    AUDIT_ARCH_I386;
#elif defined(__aarch64__)
    AUDIT_ARCH_AARCH64;
#else
#error "name this processor's AUDIT_ARCH"
#endif

}  // namespace

int become(const Identity& who) noexcept {
    const bool stays_root = who.uid[0] == 0 && who.uid[1] == 0 && who.uid[2] == 0;
    if (who.permitted != 0) ::prctl(PR_SET_KEEPCAPS, 1);
    if (!stays_root && ::setgroups(0, nullptr) != 0) return errno;
    if (::setresgid(who.gid[0], who.gid[1], who.gid[2]) != 0) return errno;
    if (::setresuid(who.uid[0], who.uid[1], who.uid[2]) != 0) return errno;
    if (who.permitted != 0) {
        if (const int error = set_capabilities(who.permitted, who.effective)) return error;
    }
    if (who.new_user_namespace && ::unshare(CLONE_NEWUSER) != 0) return errno;
    if (who.dumpable >= 0 && ::prctl(PR_SET_DUMPABLE, who.dumpable) != 0) return errno;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // erased by the change
    return 0;
}

int refuse(std::span<const Refusal> calls) noexcept {
    const auto load = [](std::size_t offset) {
        return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
    };
    const auto answer = [](std::uint32_t what) { return sock_filter BPF_STMT(BPF_RET, what); };
    std::vector<sock_filter> program{
        load(offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, native_arch, 1, 0),
        answer(SECCOMP_RET_ALLOW),
    };
    for (const Refusal& call : calls) {
        const std::uint32_t number = static_cast<std::uint32_t>(call.number);
        const std::uint32_t errno_answer =
            SECCOMP_RET_ERRNO | (static_cast<std::uint32_t>(call.error) & SECCOMP_RET_DATA);
        program.push_back(load(offsetof(seccomp_data, nr)));
        if (call.argument < 0) {
            program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
        } else {
            program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4));
            program.push_back(load(offsetof(seccomp_data, args) +
                                   sizeof(std::uint64_t) * static_cast<unsigned>(call.argument)));
            program.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, call.low, 0, 2));
            program.push_back(BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, call.high, 1, 0));
        }
        program.push_back(answer(errno_answer));
    }
    program.push_back(answer(SECCOMP_RET_ALLOW));
    const sock_fprog whole{static_cast<unsigned short>(program.size()), program.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) == 0 ? 0 : errno;
}

bool is_root() noexcept { return ::geteuid() == 0 && ::getuid() == 0; }

}  // namespace onecopy::test
