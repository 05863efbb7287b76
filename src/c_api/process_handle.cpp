// onecopy_process_*: the C++ promises for C.
#include <cerrno>
#include <new>

#include "c_api/flags.hpp"
#include "c_api/lists.hpp"
#include "onecopy/onecopy.h"
#include "onecopy/reduce.hpp"
#include "onecopy/version.hpp"

using namespace onecopy;
using namespace onecopy::c_api;

struct onecopy_process {
    Process process;
};

namespace {

int report(const Transfer& moved, std::uint64_t* bytes) noexcept {
    if (bytes != nullptr) *bytes = moved.bytes;
    return moved.error.value();
}

/// Whether the arguments are there at all; a count of elements needs a list.
bool sound(const onecopy_process* process, const iovec* local, std::size_t locals,
           const onecopy_remote* remote, std::size_t remotes) noexcept {
    return process != nullptr && (local != nullptr || locals == 0) &&
           (remote != nullptr || remotes == 0);
}

}  // namespace

extern "C" {

onecopy_process* onecopy_process_open(pid_t pid, unsigned options) {
    constexpr unsigned known = ONECOPY_PROCESS_WATCH_IMAGE | ONECOPY_PROCESS_HELD;
    if ((options & ~known) != 0) {
        errno = EINVAL;
        return nullptr;
    }
    std::error_code error;
    Process process(pid,
                    {.watch_image = (options & ONECOPY_PROCESS_WATCH_IMAGE) != 0,
                     .held = (options & ONECOPY_PROCESS_HELD) != 0},
                    error);
    if (error) {
        errno = error.value();
        return nullptr;
    }
    auto* const handle = new (std::nothrow) onecopy_process{std::move(process)};
    if (handle == nullptr) errno = ENOMEM;
    return handle;
}

void onecopy_process_close(onecopy_process* process) { delete process; }

int onecopy_process_alive(const onecopy_process* process) {
    return process != nullptr && process->process.alive() ? 1 : 0;
}

int onecopy_process_death_fd(const onecopy_process* process) {
    return process == nullptr ? -1 : process->process.death_fd();
}

int onecopy_process_access(const onecopy_process* process) {
    return process == nullptr ? EINVAL : process->process.access().value();
}

int onecopy_process_readv(const onecopy_process* process, const iovec* local, size_t local_count,
                          const onecopy_remote* remote, size_t remote_count, unsigned long flags,
                          uint64_t* bytes) {
    if (bytes != nullptr) *bytes = 0;
    const Flags parsed = parse_flags(flags);
    if (!parsed.valid || !sound(process, local, local_count, remote, remote_count)) return EINVAL;
    const List<Segment> near(local, local_count, to_segment);
    const List<RemoteSegment> far(remote, remote_count, to_remote);
    if (!near.ok() || !far.ok()) return ENOMEM;
    if (parsed.copy) return report(read(process->process, far.get(), near.get()), bytes);
    return report(reduce(process->process, near.get(), far.get(), parsed.op, parsed.type,
                         parsed.source_left ? Order::remote_op_local : Order::local_op_remote),
                  bytes);
}

int onecopy_process_writev(const onecopy_process* process, const iovec* local, size_t local_count,
                           const onecopy_remote* remote, size_t remote_count, unsigned long flags,
                           uint64_t* bytes) {
    if (bytes != nullptr) *bytes = 0;
    const Flags parsed = parse_flags(flags);
    if (!parsed.valid || !sound(process, local, local_count, remote, remote_count)) return EINVAL;
    const List<ConstSegment> near(local, local_count, to_const_segment);
    const List<RemoteSegment> far(remote, remote_count, to_remote);
    if (!near.ok() || !far.ok()) return ENOMEM;
    if (parsed.copy) return report(write(process->process, near.get(), far.get()), bytes);
    return report(reduce_into(process->process, near.get(), far.get(), parsed.op, parsed.type,
                              parsed.source_left ? Order::local_op_remote : Order::remote_op_local),
                  bytes);
}

const char* onecopy_version(void) { return ONECOPY_VERSION; }

}  // extern "C"
