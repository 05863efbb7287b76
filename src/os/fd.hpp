// Ownership of a file descriptor.
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

namespace onecopy::os {

/// Owns a file descriptor; -1 is empty. Source: close(2).
class Fd {
public:
    explicit Fd(int fd = -1) noexcept : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        Fd taken(std::move(other));
        std::swap(fd_, taken.fd_);
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() {
        // Linux frees it even on error: never retry. Not by close(), which is a cancellation point.
        if (fd_ >= 0) ::syscall(SYS_close, fd_);
    }

    [[nodiscard]] int get() const noexcept { return fd_; }
    /// Gives the descriptor up: the caller owns it.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    explicit operator bool() const noexcept { return fd_ >= 0; }

private:
    int fd_;
};

/// The same with a high number, or as high as it can have one: for descriptors that live as long as
/// the process, so that shells and programs which choose low numbers by themselves do not meet
/// them, and never as one of the standard three.
inline Fd with_high_number(Fd fd) noexcept {
    if (!fd) return fd;
    for (const int high : {200, 40, 10, 3}) {
        Fd moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, high));
        if (moved) return moved;
    }
    return fd;
}

}  // namespace onecopy::os
