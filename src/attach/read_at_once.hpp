// The common case of a read, written flat: one run on each side, by one system call.
//
// Behind a system call the processor has forgotten where returns lead: each one costs as much as
// 10 ns, of the 1200 that a small read takes in all. So this is inline down to the instruction.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "attach/engine.hpp"
#include "attach/target.hpp"
#include "onecopy/transfer.hpp"
#include "os/ticks.hpp"

namespace onecopy::attach {

/// A call that took more ticks than this may have waited for a page (some 40 us, longer than a
/// copy that runs takes for its first megabyte). See Target::still_there(). The memory image is
/// looked at again at least so often in a transfer of many calls.
inline constexpr std::uint64_t blocked_ticks = 100000;

/// process_vm_readv of one run on each side; negative if it failed (errno may be untouched).
inline ssize_t read_run(int pid, const iovec& local, const iovec& remote) noexcept {
#if defined(__x86_64__) && !defined(__ILP32__)
    long answer = 310;  // its number
    register long far asm("r10") = reinterpret_cast<long>(&remote);
    register long one asm("r8") = 1;
    register long flags asm("r9") = 0;
    asm volatile("syscall"
                 : "+a"(answer)
                 : "D"(static_cast<long>(pid)), "S"(&local), "d"(1L), "r"(far), "r"(one), "r"(flags)
                 : "rcx", "r11", "memory");
    return answer;
#else
    return ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
#endif
}

/// True if all of `remote` arrived in `local`, equally long, and was verified; false if anything
/// was unusual: then read() starts over, which a read can.
[[gnu::always_inline]] inline bool read_at_once(const Target& from, const RemoteSegment& remote,
                                                Segment local) noexcept {
    if constexpr (sizeof(std::size_t) < sizeof(remote.address)) return false;
    if (remote.bytes != local.size() || remote.bytes > batch_bytes || from.is_self()) return false;
    const iovec to{local.data(), local.size()};
    const iovec source{reinterpret_cast<void*>(static_cast<std::uintptr_t>(remote.address)),
                       local.size()};
    const std::uint64_t start = os::ticks();
    const ssize_t moved = read_run(from.pid(), to, source);
    const bool blocked = os::ticks() - start > blocked_ticks;
    return moved >= 0 && static_cast<std::size_t>(moved) == local.size() &&
           from.still_there(blocked);
}

}  // namespace onecopy::attach
