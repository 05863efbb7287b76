// Runs a program as if on an older or poorer machine: old_kernel MODE PROGRAM [ARGUMENT...].
//
//   old        Linux 4.18 or so: no pidfd_open, pidfd_getfd, futex_waitv, process_madvise,
//              io_uring; none of the madvise advices that came later; no question about one
//              mapping.
//   no-epoll   no epoll instance can be had (a limit of descriptors or of memory).
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include "support/rights.hpp"

namespace {

using onecopy::test::Refusal;

constexpr long pidfd_send_signal = 424, pidfd_open = 434, pidfd_getfd = 438, process_madvise = 440,
               futex_waitv = 449,
               io_uring_setup = 425;  // the same everywhere; absent in old headers

std::vector<Refusal> refusals(std::string_view mode) {
    if (mode == "no-epoll") return {{SYS_epoll_create1, EMFILE}};
    if (mode != "old") return {};
    // From MADV_COLD (20, Linux 5.4) on; 100 and 101 are older, and rarely compiled in.
    constexpr std::uint32_t first_new_advice = 20, last_advice = 63;
    constexpr std::uint32_t procmap_query = _IOC(_IOC_READ | _IOC_WRITE, 'f', 17, 104);
    return {{pidfd_send_signal, ENOSYS},
            {pidfd_open, ENOSYS},
            {pidfd_getfd, ENOSYS},
            {process_madvise, ENOSYS},
            {futex_waitv, ENOSYS},
            {io_uring_setup, ENOSYS},
            {SYS_madvise, EINVAL, 2, first_new_advice, last_advice},
            {SYS_ioctl, ENOTTY, 1, procmap_query, procmap_query}};
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 3) {
        std::fprintf(stderr, "usage: old_kernel old|no-epoll PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    const std::vector<Refusal> calls = refusals(arguments[1]);
    if (calls.empty()) {
        std::fprintf(stderr, "old_kernel: unknown mode %s\n", arguments[1]);
        return 2;
    }
    if (const int error = onecopy::test::refuse(calls)) {
        std::fprintf(stderr, "old_kernel: seccomp: %s\n", std::strerror(error));
        return 77;
    }
    ::execvp(arguments[2], arguments + 2);
    std::fprintf(stderr, "old_kernel: %s: %s\n", arguments[2], std::strerror(errno));
    return 127;
}
