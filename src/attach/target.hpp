// What a Process holds: the descriptors that tell its target from a stranger.
#pragma once

#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include "onecopy/process.hpp"
#include "os/fd.hpp"

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
///   mem    /proc/PID/mem, bound to one memory image: after an exec or the end it reads 0 bytes.
///   maps   /proc/PID/maps, bound to the same image; opened by the first write through mem.
/// mem and maps are opened at most once each and never replaced, so a reader needs one acquire
/// load. All const members may be called by several threads.
class Target {
public:
    Target(int pid, ProcessOptions options, std::error_code& error) noexcept;
    ~Target();
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;

    [[nodiscard]] int pid() const noexcept { return pid_; }
    /// Whether it is the calling process; after a fork it is not, in the child.
    [[nodiscard]] bool is_self() const noexcept { return self_ && ::getpid() == pid_; }
    [[nodiscard]] const ProcessOptions& options() const noexcept { return options_; }
    [[nodiscard]] int pidfd() const noexcept { return pidfd_.get(); }

    /// Whether the process has ended (zombies have). 0.1 us with a pidfd, some 10 without.
    [[nodiscard]] bool ended() const noexcept {
        epoll_event event{};
        return watch_ ? ::epoll_wait(watch_.get(), &event, 1, 0) > 0 : ended_without_watch();
    }

    /// As ended(), by poll(pidfd), which is the first to know: as death_fd() tells it.
    [[nodiscard]] bool ended_without_watch() const noexcept;

    /// What is known of the memory image that was bound when the Target was made.
    enum class Image { same, gone, unknown };
    [[nodiscard]] Image image() const noexcept;

    /// Whether what a call just moved was moved from or to this very target. `doubtful` says that
    /// the memory image must be looked at too, because the call ended short (after an exec it may
    /// have met other memory) or took so long that it may have waited for a page: such a call can
    /// be ended by the target's death with bytes the kernel invented, in the microseconds before
    /// the pidfd tells. The memory image is always gone by then.
    [[nodiscard]] bool still_there(bool doubtful) const noexcept {
        if (is_self()) return true;
        if (ended()) return false;
        return !(doubtful || options_.watch_image) || has_memory();
    }

    /// The descriptor bound to the image, or -1. Opened now if it could not be before.
    [[nodiscard]] int mem() const noexcept;

    /// Opens /proc/PID/mem afresh and closes it: 0 if that is permitted at this moment, or the
    /// errno.
    [[nodiscard]] int mem_permitted_now() const noexcept;

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

    [[nodiscard]] bool has_memory() const noexcept;
    [[nodiscard]] int bind(int pid) noexcept;
    os::Fd open_in_proc(const char* name, int flags) const noexcept;
    int keep(std::atomic<int>& slot, os::Fd opened) const noexcept;

    int pid_;
    bool self_;
    ProcessOptions options_;
    os::Fd pidfd_;
    os::Fd watch_;
    os::Fd stat_;                    // only without pidfd
    mutable std::atomic<int> mem_;   // -1 until opened; stored once (release), loaded by readers
    mutable std::atomic<int> maps_;  // as mem_
};

}  // namespace onecopy::attach
