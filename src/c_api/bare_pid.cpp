// onecopy_readv and onecopy_writev: a bare pid, the system calls' arguments and errnos.
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "c_api/flags.hpp"
#include "c_api/lists.hpp"
#include "onecopy/onecopy.h"
#include "onecopy/reduce.hpp"
#include "os/fd.hpp"
#include "os/touch.hpp"

namespace onecopy::c_api {
namespace {

enum class Way { read, write };

ssize_t fail(int error) noexcept {
    errno = error;
    return -1;
}

/// Both lists as the kernel checks them, in its order, by the kernel itself: with an impossible pid
/// it gets as far as ESRCH exactly when everything before was in order. 1 if so, else its answer.
ssize_t check_lists(const iovec* local, unsigned long locals, const iovec* remote,
                    unsigned long remotes) noexcept {
    const ssize_t answer = ::process_vm_readv(-1, local, locals, remote, remotes, 0);
    return answer < 0 && errno == ESRCH ? 1 : answer;
}

/// The process that `pid` belongs to: the system calls take a thread's number too.
pid_t process_of(pid_t pid) noexcept {
    char path[32];
    std::snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (FILE* status = std::fopen(path, "re")) {
        char line[256];
        while (std::fgets(line, sizeof line, status) != nullptr) {
            if (std::strncmp(line, "Tgid:", 5) == 0) pid = std::atoi(line + 5);
        }
        std::fclose(status);
    }
    return pid;
}

bool all_whole(const iovec* list, unsigned long count, std::size_t element_bytes) noexcept {
    return std::all_of(list, list + count,
                       [&](const iovec& v) { return v.iov_len % element_bytes == 0; });
}

/// Cuts a list where this process cannot touch it, where the kernel would cut a call, and between
/// elements. True if anything is left.
template <class Span>
bool clip(std::span<Span> list, Way way, std::size_t element_bytes) noexcept {
    std::size_t left = 0x7ffff000 - 0x7ffff000 % element_bytes;
    bool any = false;
    bool ended = false;
    for (Span& segment : list) {
        std::size_t bytes = ended ? 0 : std::min(segment.size(), left);
        const std::size_t good = os::touchable(
            segment.data(), bytes, way == Way::read ? os::Touch::write : os::Touch::read);
        ended = ended || good < segment.size();
        bytes = good - good % element_bytes;
        segment = segment.first(bytes);
        left -= bytes;
        any = any || bytes > 0;
    }
    return any;
}

/// A call with an operation.
template <class Local, class Reduce>
ssize_t fused(Way way, pid_t pid, const iovec* local, unsigned long locals, const iovec* remote,
              unsigned long remotes, const Flags& flags, Local&& to_local,
              Reduce&& apply) noexcept {
    if (const ssize_t answer = check_lists(local, locals, remote, remotes); answer != 1) {
        return answer;
    }
    const std::size_t element = size_of(flags.type);
    if (!all_whole(local, locals, element) || !all_whole(remote, remotes, element)) {
        return fail(EINVAL);
    }
    List<std::decay_t<decltype(to_local(*local))>> near(local, locals, to_local);
    List<RemoteSegment> far(remote, remotes, [](const iovec& v) { return to_remote(v); });
    if (!near.ok() || !far.ok()) return fail(ENOMEM);
    std::error_code error;
    Process process(pid, {}, error);
    if (error == std::errc::no_such_process && pid > 0)
        process = Process(process_of(pid), {}, error);
    if (!error) error = process.access();
    if (error) return fail(error.value());
    if (!clip(near.get(), way, element)) return fail(EFAULT);
    const Transfer moved = apply(process, near.get(), far.get());
    if (moved.bytes > 0 || !moved.error) return static_cast<ssize_t>(moved.bytes);
    return fail(moved.error.value());
}

}  // namespace
}  // namespace onecopy::c_api

using namespace onecopy;
using namespace onecopy::c_api;

extern "C" ssize_t onecopy_readv(pid_t pid, const iovec* local, unsigned long local_count,
                                 const iovec* remote, unsigned long remote_count,
                                 unsigned long flags) {
    const Flags parsed = parse_flags(flags);
    if (!parsed.valid) return fail(EINVAL);
    if (parsed.copy) return ::process_vm_readv(pid, local, local_count, remote, remote_count, 0);
    return fused(Way::read, pid, local, local_count, remote, remote_count, parsed, to_segment,
                 [&](const Process& from, std::span<const Segment> near,
                     std::span<const RemoteSegment> far) {
                     return reduce(
                         from, near, far, parsed.op, parsed.type,
                         parsed.source_left ? Order::remote_op_local : Order::local_op_remote);
                 });
}

extern "C" ssize_t onecopy_writev(pid_t pid, const iovec* local, unsigned long local_count,
                                  const iovec* remote, unsigned long remote_count,
                                  unsigned long flags) {
    const Flags parsed = parse_flags(flags);
    if (!parsed.valid) return fail(EINVAL);
    if (parsed.copy) return ::process_vm_writev(pid, local, local_count, remote, remote_count, 0);
    return fused(Way::write, pid, local, local_count, remote, remote_count, parsed,
                 to_const_segment,
                 [&](const Process& to, std::span<const ConstSegment> near,
                     std::span<const RemoteSegment> far) {
                     return reduce_into(
                         to, near, far, parsed.op, parsed.type,
                         parsed.source_left ? Order::local_op_remote : Order::remote_op_local);
                 });
}
