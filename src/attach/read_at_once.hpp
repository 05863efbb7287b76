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

/// Whether a call that moved `bytes` took so many ticks that it may have slept, waiting for a page:
/// longer than some 3 us and a copy at 5 GB/s take. (A sleep and the waking alone take 3 us.) Then
/// the memory image is looked at again, see Target::still_there(); so a wrong "yes" costs 1.2 us.
constexpr bool may_have_waited(std::uint64_t ticks, std::uint64_t bytes) noexcept {
    return ticks > 8000 + bytes / 2;
}

/// process_vm_readv of `count` runs on each side; negative if it failed (errno may be untouched).
inline ssize_t read_runs(int pid, const iovec* local, const iovec* remote,
                         unsigned long count) noexcept {
#if defined(__x86_64__) && !defined(__ILP32__)
    long answer = 310;  // its number
    register auto far asm("r10") = reinterpret_cast<long>(remote);
    register auto far_count asm("r8") = static_cast<long>(count);
    register long flags asm("r9") = 0;
    asm volatile("syscall"
                 : "+a"(answer)
                 : "D"(static_cast<long>(pid)), "S"(local), "d"(count), "r"(far), "r"(far_count),
                   "r"(flags)
                 : "rcx", "r11", "memory");
    return answer;
#else
    return ::process_vm_readv(pid, local, count, remote, count, 0);
#endif
}

/// True if all of `remote` arrived in `local`, equally long, and was verified; false if anything
/// was unusual: then read() starts over, which a read can.
[[gnu::always_inline]] inline bool read_at_once(const Target& from, const RemoteSegment& remote,
                                                Segment local) noexcept {
    if constexpr (sizeof(std::size_t) < sizeof(remote.address)) return false;
    if (remote.bytes != local.size() || remote.bytes > batch_bytes || from.is_self()) return false;
    if (from.peer_memory() != nullptr) return false;  // there may be a faster way
    // The cookie in front proves the image in the same call.
    ImageCookie::Bytes seen;
    const bool watch = from.options().watch_image;
    const bool marked = watch && from.cookie().known();
    const auto at = [](std::uint64_t address) {
        return reinterpret_cast<void*>(static_cast<std::uintptr_t>(address));
    };
    const iovec to[2]{{seen.data(), seen.size()}, {local.data(), local.size()}};
    const iovec source[2]{{at(from.cookie().address()), seen.size()},
                          {at(remote.address), local.size()}};
    const int first = marked ? 0 : 1;
    const std::size_t bytes = local.size() + (marked ? seen.size() : 0);
    const std::uint64_t start = os::ticks();
    const ssize_t moved =
        read_runs(from.pid(), to + first, source + first, static_cast<unsigned long>(2 - first));
    const bool waited = may_have_waited(os::ticks() - start, bytes);
    return moved >= 0 && static_cast<std::size_t>(moved) == bytes &&
           (!marked || from.cookie().matches(seen)) &&
           from.still_there(waited || (watch && !marked));
}

}  // namespace onecopy::attach
