// The memory that the ranks of one job on one machine share: a sealed memfd, mapped once.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "os/fd.hpp"
#include "os/mapping.hpp"

namespace onecopy::os {

/// Owns the mapping and the descriptor. Nothing on disk and nothing in /dev/shm: it ends with the
/// last process that has it. Zero at first; pages exist once touched. Never part of a core dump,
/// and not there in a forked child: a daemon that a rank leaves behind keeps no memory of the job.
class JobSegment {
public:
    JobSegment() noexcept = default;

    /// A new one of `bytes`, rounded up to pages, that nobody can shrink or grow any more.
    /// Throws std::system_error: EFBIG, the process's file size limit forbids it; ENOMEM and
    /// others. Source: memfd_create(2), fcntl(2) "File Sealing".
    static JobSegment create(std::size_t bytes);

    /// One that was received. Its seals are checked before it is mapped: without them its creator
    /// could truncate it under our feet, which is a SIGBUS here.
    /// Throws std::system_error: EINVAL, it is no sealed memfd, or smaller than `least_bytes`.
    static JobSegment adopt(Fd fd, std::size_t least_bytes);

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return memory_.bytes(); }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

    /// The pages stay where they are until the process ends.
    void leave_mapped() noexcept { (void)memory_.release(); }

    /// Gives the descriptor up: the caller owns it. The mapping stays.
    [[nodiscard]] Fd take_fd() noexcept { return std::exchange(fd_, Fd()); }

    /// Closes the descriptor when everybody has it; the mapping stays.
    void close_fd() noexcept { fd_ = Fd(); }

private:
    JobSegment(Fd fd, std::size_t bytes);

    Fd fd_;
    Mapping memory_;
};

}  // namespace onecopy::os
