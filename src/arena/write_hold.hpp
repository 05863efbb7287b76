// Making the writes of other threads wait while a fork needs memory to stand still.
#pragma once

#include <span>

#include "arena/ranges.hpp"
#include "os/fd.hpp"

namespace onecopy::arena {

/// While it lives and is armed, whoever of this process writes to the ranges sleeps in a page
/// fault, system calls too; reading goes on. It needs a userfaultfd that handles the kernel's own
/// faults: root, or vm.unprivileged_userfaultfd, or rights to /dev/userfaultfd. Not for the writes
/// of other processes. Source: userfaultfd(2), UFFDIO_WRITEPROTECT (shared memory since
/// Linux 5.19).
class WriteHold {
public:
    /// Whether all of it is held; if not, nothing is. `whole` is the mapping that holds the ranges.
    bool arm(Range whole, std::span<const Range> ranges) noexcept;
    /// Lets everybody go on.
    void disarm() noexcept;
    /// In a forked child: it is the parent's.
    void abandon() noexcept { fault_ = os::Fd{}; }
    ~WriteHold() { disarm(); }

private:
    os::Fd fault_;
    Range whole_;
};

}  // namespace onecopy::arena
