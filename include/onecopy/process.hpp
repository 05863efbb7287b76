// A handle on another process, whose memory can then be read, written and reduced from.
//
// A pid is only a number: once its process has been reaped the kernel gives it to a stranger, and
// an exec replaces the memory behind it. A Process therefore holds descriptors that cannot be
// recycled (a pidfd, and /proc/PID/mem, which is bound to one memory image), and every transfer is
// checked against them before it is called a success. docs/identity.md tells what is checked when.
#pragma once

#include <chrono>
#include <memory>
#include <system_error>

namespace onecopy {

namespace attach {
class Target;
}

/// What a Process promises about its target after each transfer, and about writes.
struct ProcessOptions {
    /// Check with *every* transfer that the target still has the memory image it had when this
    /// handle was opened (no exec in between): a mark of the image is read in the same call, which
    /// costs about 0.35 us. Without it an exec is noticed by every write, by same_image(), by any
    /// transfer that ends short, and by those that take so long that they may have waited.
    bool watch_image = false;

    /// The caller vouches that the target's pid cannot be recycled while this handle writes: it is
    /// the caller's own child and nobody reaps it meanwhile (SIGCHLD not ignored, no waitpid()
    /// that takes it), or somebody else holds it so. Writes may then use process_vm_writev.
    /// Without it they go through /proc/PID/mem, which cannot hit a stranger but copies twice.
    bool held = false;
};

/// A process of this machine, reachable or not. Movable, not copyable.
///
/// All const members, and any number of transfers, may be used by several threads at once.
/// Costs four descriptors at the most, closed by the destructor. A handle that a thread has used 32
/// times is watched through an io_uring of that thread where the kernel has it (Linux 6.1): then
/// checking that the target lives costs nothing. ONECOPY_IO_URING=0 in the environment forbids it;
/// where a filter *kills* who makes one, set that. No member is a cancellation point.
class Process {
public:
    /// Opens a handle on `pid` (a process, not one of its threads; 0 and negatives are ESRCH).
    ///
    /// Needs no right over the target: whether its memory can be reached is found out by
    /// access() or by a transfer. Zombies and kernel threads can be opened; they have no memory.
    /// Throws std::system_error: ESRCH, no such process; EMFILE or ENFILE, no descriptor free;
    /// ENOMEM; ENOSYS, without pidfd_open where /proc is missing or another pid namespace's.
    /// Source: pidfd_open(2), proc(5).
    explicit Process(int pid, ProcessOptions options = {});

    /// As above; on failure sets `error`, and the handle is empty (pid() is -1).
    Process(int pid, ProcessOptions options, std::error_code& error) noexcept;

    /// A handle on the calling process: always permitted, overlapping transfers are defined. Throws
    /// as the constructor.
    static Process self();

    Process(Process&&) noexcept;
    Process& operator=(Process&&) noexcept;
    ~Process();

    /// The number it was opened with; -1 when empty.
    [[nodiscard]] int pid() const noexcept;

    /// Whether the target has not ended yet. A zombie has ended; a stopped process has not, nor
    /// has one whose first thread ended while others go on.
    [[nodiscard]] bool alive() const noexcept;

    /// Whether the target still has the memory it had when this handle was opened: false after an
    /// exec and after its death. True if it cannot be told (no right to open /proc/PID/mem).
    [[nodiscard]] bool same_image() const noexcept;

    /// A descriptor that polls readable once the target has ended; for poll, epoll, asio. Owned by
    /// this handle. -1 on kernels without pidfd_open (before 5.3): use wait_for_death().
    [[nodiscard]] int death_fd() const noexcept;

    /// Waits until the target has ended; false when `timeout` passed first. Negative: for ever.
    /// True at once for an empty handle.
    bool wait_for_death(std::chrono::milliseconds timeout) const noexcept;

    /// Whether its memory may be read at this moment, found out without moving a byte: empty if
    /// so, EPERM refused, ESRCH gone (EMFILE or ENFILE: no descriptor free to find out). Costs
    /// about a microsecond. Proves nothing about an address.
    [[nodiscard]] std::error_code access() const noexcept;

    /// Whether it holds nothing: moved from, or its opening failed.
    [[nodiscard]] bool empty() const noexcept { return !target_; }

    /// For the layers above: the descriptors and counters behind this handle.
    [[nodiscard]] attach::Target& target() const noexcept { return *target_; }

private:
    std::unique_ptr<attach::Target> target_;
};

}  // namespace onecopy
