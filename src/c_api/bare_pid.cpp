// onecopy_readv and onecopy_writev: a bare pid, the system calls' arguments and errnos.
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <type_traits>

#include "c_api/flags.hpp"
#include "c_api/lists.hpp"
#include "onecopy/onecopy.h"
#include "onecopy/reduce.hpp"
#include "os/no_cancel.hpp"
#include "os/touch.hpp"
#include "plan/walk.hpp"

namespace onecopy::c_api {
namespace {

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

/// What a call moves at the most, as the kernel cuts its own.
constexpr std::size_t most_bytes = 0x7ffff000;

plan::Run to_run(const iovec& v) noexcept {
    return {reinterpret_cast<std::uintptr_t>(v.iov_base), v.iov_len};
}

/// A run of this process's own memory.
template <class Local>
Local to_local(const plan::Run& run) noexcept {
    using Pointer = typename Local::pointer;
    return {reinterpret_cast<Pointer>(static_cast<std::uintptr_t>(run.address)),
            static_cast<std::size_t>(run.bytes)};
}

/// Cuts a list of runs where this process cannot touch it, between elements. True if it was cut.
template <class Local>
bool cut_untouchable(std::span<Local> list, std::size_t element_bytes) noexcept {
    constexpr os::Touch how = std::is_same_v<Local, Segment> ? os::Touch::write : os::Touch::read;
    bool cut = false;
    for (Local& run : list) {
        const std::size_t good = cut ? 0 : os::touchable(run.data(), run.size(), how);
        cut = cut || good < run.size();
        run = run.first(good - good % element_bytes);
    }
    return cut;
}

/// Moves piece by piece, so that no more of our memory is touched than bytes are moved: a page that
/// is touched for writing is there from then on. `Local` says which way: Segment is written to.
template <class Local, class Reduce>
Transfer in_pieces(std::span<const plan::Run> local, std::span<const plan::Run> remote,
                   std::size_t element_bytes, Reduce&& apply) noexcept {
    const std::size_t piece_bytes = (std::size_t{1} << 20) / element_bytes * element_bytes;
    std::array<plan::Run, 16> near_runs;
    std::array<plan::Run, 64> far_runs;
    std::array<Local, 16> near;
    std::array<RemoteSegment, 64> far;
    plan::Walk walk(plan::Cursor(local.data(), local.size()),
                    plan::Cursor(remote.data(), remote.size()));
    plan::Batch batch{near_runs.data(), far_runs.data(), 0, 0, 0};
    Transfer result;
    std::uint64_t left = most_bytes - most_bytes % element_bytes;
    while (left > 0 && !walk.done()) {
        walk.fill(batch, {near.size(), far.size(), std::min<std::uint64_t>(piece_bytes, left)});
        std::transform(batch.local, batch.local + batch.local_runs, near.begin(), to_local<Local>);
        std::transform(batch.remote, batch.remote + batch.remote_runs, far.begin(),
                       [](const plan::Run& run) {
                           return RemoteSegment{run.address, run.bytes};
                       });
        const std::span runs(near.data(), batch.local_runs);
        const bool cut = cut_untouchable(runs, element_bytes);
        const Transfer moved = apply(runs, std::span(far.data(), batch.remote_runs));
        result.bytes += moved.bytes;
        if (!moved.error && cut) result.error.assign(EFAULT, std::system_category());
        if (moved.error) result.error = moved.error;
        if (result.error || moved.bytes == 0) return result;
        left -= moved.bytes;
        walk.advance(moved.bytes, batch.bytes);
    }
    return result;
}

/// A call with an operation.
template <class Local, class Reduce>
ssize_t fused(pid_t pid, const iovec* local, unsigned long locals, const iovec* remote,
              unsigned long remotes, const Flags& flags, Reduce&& apply) noexcept {
    const os::NoCancel no_cancel;
    if (const ssize_t answer = check_lists(local, locals, remote, remotes); answer != 1) {
        return answer;
    }
    // Copies, as the kernel makes them: the call may write where the lists stand.
    const List<plan::Run> near(local, locals, to_run);
    const List<plan::Run> far(remote, remotes, to_run);
    if (!near.ok() || !far.ok()) return fail(ENOMEM);
    const std::size_t element = size_of(flags.type);
    if (!plan::whole_elements(near.get().data(), locals, element) ||
        !plan::whole_elements(far.get().data(), remotes, element)) {
        return fail(EINVAL);
    }
    std::error_code error;
    Process process(pid, {}, error);
    if (error == std::errc::no_such_process && pid > 0)
        process = Process(process_of(pid), {}, error);
    if (!error) error = process.access();
    if (error) return fail(error.value());
    const Transfer moved =
        in_pieces<Local>(near.get(), far.get(), element,
                         [&](auto here, auto there) { return apply(process, here, there); });
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
    return fused<Segment>(
        pid, local, local_count, remote, remote_count, parsed,
        [&](const Process& from, std::span<const Segment> near,
            std::span<const RemoteSegment> far) {
            return reduce(from, near, far, parsed.op, parsed.type,
                          parsed.source_left ? Order::remote_op_local : Order::local_op_remote);
        });
}

extern "C" ssize_t onecopy_writev(pid_t pid, const iovec* local, unsigned long local_count,
                                  const iovec* remote, unsigned long remote_count,
                                  unsigned long flags) {
    const Flags parsed = parse_flags(flags);
    if (!parsed.valid) return fail(EINVAL);
    if (parsed.copy) return ::process_vm_writev(pid, local, local_count, remote, remote_count, 0);
    return fused<ConstSegment>(pid, local, local_count, remote, remote_count, parsed,
                               [&](const Process& to, std::span<const ConstSegment> near,
                                   std::span<const RemoteSegment> far) {
                                   return reduce_into(to, near, far, parsed.op, parsed.type,
                                                      parsed.source_left ? Order::local_op_remote
                                                                         : Order::remote_op_local);
                               });
}
