// Copying between this process and another, with no copy in between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "onecopy/process.hpp"
#include "onecopy/result.hpp"

namespace onecopy {

/// A run of bytes in this process. Borrowed: the caller keeps it alive during the call.
using Segment = std::span<std::byte>;
using ConstSegment = std::span<const std::byte>;

/// A run of bytes in another process. Its address means nothing here, so it is a number.
struct RemoteSegment {
    std::uint64_t address;
    std::uint64_t bytes;
};

/// Copies `remote` into `local`, each list in order, until the shorter one ends.
///
/// Any number of segments of any length, empty ones included. Returns the bytes copied, exact even
/// after an error: resume there. Within the calling process overlapping runs are copied as if by
/// memmove, one pair after the other.
/// Errors: EFAULT, a page is unmapped or protected on either side; EPERM, the kernel's ptrace check
/// refused (`onecopy doctor PID` names the guard); ESRCH, the process is gone, its pid belongs to
/// another, or it replaced its memory by exec. After ESRCH the bytes beyond the count are
/// unspecified; after any other error they are untouched.
/// Blocks; a page under userfaultfd or on a dead FUSE file system can block it for ever (see
/// docs/semantics.md). Any number of threads may read from one Process at a time.
/// Source: process_vm_readv(2); ptrace(2), "Ptrace access mode checking"; proc(5), /proc/PID/mem.
Transfer read(const Process& from, std::span<const RemoteSegment> remote,
              std::span<const Segment> local) noexcept;

/// Copies `local` into `remote`. As read(), in the other direction.
///
/// Never writes into a process that merely inherited the number: unless the Process was opened as
/// `held`, bytes go through /proc/PID/mem, which is bound to one memory image. Never writes where
/// the target itself could not (best effort by its maps on that way).
Transfer write(const Process& to, std::span<const ConstSegment> local,
               std::span<const RemoteSegment> remote) noexcept;

/// One run on each side.
inline Transfer read(const Process& from, std::uint64_t address, Segment local) noexcept {
    const RemoteSegment remote{address, local.size()};
    return read(from, std::span(&remote, 1), std::span(&local, 1));
}

/// One run on each side.
inline Transfer write(const Process& to, ConstSegment local, std::uint64_t address) noexcept {
    const RemoteSegment remote{address, local.size()};
    return write(to, std::span(&local, 1), std::span(&remote, 1));
}

}  // namespace onecopy
