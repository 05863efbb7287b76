// What a Process holds: the descriptors that tell its target from a stranger.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <system_error>

#include "attach/image_cookie.hpp"
#include "attach/peer_memory.hpp"
#include "onecopy/process.hpp"
#include "os/fd.hpp"
#include "os/process_number.hpp"
#include "os/ready_flag.hpp"

namespace onecopy::attach {

/// The target of transfers.
///
/// Who it is, in up to four descriptors:
///   pidfd  (before Linux 5.3: /proc/PID/stat, bound as tightly)  says whether the process has
///          ended. As long as it says no, the pid still means this process.
///   watch  an epoll that holds the pidfd and nothing else. Asking it costs 0.08 us behind another
///          system call where poll(pidfd) costs 0.29: it looks at a ready list, poll at each file.
///          The kernel fills the list under the lock that reaping takes: before the number can
///          be free. (poll may know it some microseconds sooner.) Where no epoll can be had, the
///          pidfd is polled.
///   mem    /proc/PID/mem, bound to one memory image: once nobody uses that any more it reads 0
///          bytes.
///   maps   /proc/PID/maps, bound to the same image; opened by the first write through mem.
/// Besides, a cookie by which the image is known for certain, and for a target that is asked often
/// a flag in memory, which the kernel sets at the same moment as the epoll's list: then asking
/// costs nothing (docs/decisions/001). mem and maps are opened at most once each and never
/// replaced, so a reader needs one acquire load. All const members may be called by several
/// threads.
class Target {
public:
    Target(int pid, ProcessOptions options, std::error_code& error) noexcept;
    ~Target();
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;

    [[nodiscard]] int pid() const noexcept { return pid_; }
    /// Whether it is the calling process; after a fork it is not, in the child.
    [[nodiscard]] bool is_self() const noexcept { return self_ && in_maker(); }
    [[nodiscard]] const ProcessOptions& options() const noexcept { return options_; }
    [[nodiscard]] int pidfd() const noexcept { return pidfd_.get(); }

    /// Whether the process has ended (zombies have). Nothing by the flag, for the thread that
    /// asked often enough to get one; 0.1 us by the epoll, some 10 without a pidfd.
    [[nodiscard]] bool ended() const noexcept { return !flag_.quiet() && ended_by_watch(); }

    /// As ended(), by poll(pidfd), which is the first to know: as death_fd() tells it.
    [[nodiscard]] bool ended_without_watch() const noexcept;

    /// Whether the pid means here what it meant where the Target was made: not in a child that was
    /// forked into another pid namespace.
    [[nodiscard]] bool number_is_ours() const noexcept { return in_maker() || same_namespace(); }

    /// Memory of the target that is mapped here; null if there is none.
    [[nodiscard]] PeerMemory* peer_memory() const noexcept {
        return peer_memory_.load(std::memory_order_acquire);
    }

    /// Gives it some, which it keeps; once.
    void serve_by(std::shared_ptr<PeerMemory> memory) noexcept;

    /// What is known of the memory image that was bound when the Target was made. 1.2 us.
    enum class Image { same, gone, unknown };
    [[nodiscard]] Image image() const noexcept;

    /// Its mark, for reads that take it along.
    [[nodiscard]] const ImageCookie& cookie() const noexcept { return cookie_; }

    /// Whether what a call just moved was moved from or to this very target. `doubtful` says that
    /// the memory image must be looked at too, because the call ended short (after an exec it may
    /// have met other memory) or took so long that it may have waited for a page: such a call can
    /// be ended by the target's death with bytes the kernel invented, in the microseconds before
    /// the pidfd tells. The process has given up its memory image by then.
    [[nodiscard]] bool still_there(bool doubtful) const noexcept {
        if (is_self()) return true;
        if (ended()) return false;
        return !doubtful || image() != Image::gone;
    }

    /// The descriptor bound to the image, or -1. Opened now if it could not be before.
    [[nodiscard]] int mem() const noexcept;

    /// Opens /proc/PID/mem afresh and closes it: 0 if that is permitted at this moment, or the
    /// errno. EPERM for writing where /proc is mounted read-only.
    [[nodiscard]] int mem_permitted_now(bool for_writing) const noexcept;

    /// The maps descriptor of the same image, or -1 and errno.
    [[nodiscard]] int maps() const noexcept;

    /// Whether the kernel's ptrace check lets us reach the target now: 0, EPERM, ESRCH, no_memory,
    /// or ENOSYS when it cannot be asked (no system call, or a filter). Moves nothing.
    [[nodiscard]] int probe() const noexcept;

    /// probe(): it has not ended, but its number leads to no memory. A kernel thread, a process
    /// whose first thread has ended, or one that is just about to end.
    static constexpr int no_memory = ENODATA;

private:
    /// Stands in mem_ when /proc counts processes differently from us (another pid namespace's).
    static constexpr int no_proc = -2;

    [[nodiscard]] bool in_maker() const noexcept {
        const std::uint32_t here = os::process_number();
        return here != 0 ? here == maker_ : ::getpid() == maker_pid_;
    }
    [[nodiscard]] bool same_namespace() const noexcept;
    [[nodiscard]] bool ended_by_watch() const noexcept;
    [[nodiscard]] Image image_by_mem() const noexcept;
    [[nodiscard]] bool bound_image_has_cookie() const noexcept;
    [[nodiscard]] os::Fd open_mem() const noexcept;
    [[nodiscard]] int bind(int pid) noexcept;
    os::Fd open_in_proc(const char* name, int flags) const noexcept;
    int keep(std::atomic<int>& slot, os::Fd opened) const noexcept;

    int pid_;
    bool self_;
    ProcessOptions options_;
    os::Fd pidfd_;
    os::Fd watch_;
    os::Fd stat_;  // only without pidfd
    ImageCookie cookie_;
    std::uint32_t maker_ = 0;  // os::process_number() of the process that made it
    pid_t maker_pid_ = 0;
    std::uint64_t namespace_ = 0;                         // its pid namespace; 0: cannot be told
    mutable std::atomic<std::uint32_t> verified_in_ = 0;  // another process in that namespace
    mutable std::atomic<int> mem_;   // -1 until opened; stored once (release), loaded by readers
    mutable std::atomic<int> maps_;  // as mem_
    std::atomic<bool> served_ = false;
    std::shared_ptr<PeerMemory> peer_memory_kept_;    // written once, before the next one
    std::atomic<PeerMemory*> peer_memory_ = nullptr;  // stored once (release)
    mutable std::atomic<std::uint32_t> asked_ = 0;    // how often, until the flag is armed
    mutable os::ReadyFlag flag_;                      // armed by the thread that asks the last
};

}  // namespace onecopy::attach
