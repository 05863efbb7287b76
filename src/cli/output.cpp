#include "cli/output.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/arguments.hpp"
#include "cli/errors.hpp"

namespace onecopy::cli {

std::string write_refusal(std::string_view where, std::uint64_t written, int error) {
    if (error == EBADF) {  // closed by whoever started us, or open for reading only
        return fmt::format("{} is not open for writing; redirect it to a file or a pipe", where);
    }
    std::string_view remedy = "make room or name another file";
    if (error == EFBIG) remedy = "raise `ulimit -f` or name another file";
    if (error == EPIPE) remedy = "whoever read it has ended; let it read on, or name a file";
    return fmt::format("{} takes no more{}: {}; {}", where,
                       written > 0 ? " after " + bytes_text(written) : "", std::strerror(error),
                       remedy);
}

void refuse_closed_output(std::string_view asked) {
    const int flags = ::fcntl(STDOUT_FILENO, F_GETFL);
    if (flags >= 0 && (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_RDONLY) return;
    throw Failure(fmt::format("{}: {}", asked, write_refusal("standard output", 0, EBADF)));
}

bool Output::is_terminal() const { return path_.empty() && ::isatty(STDOUT_FILENO) == 1; }

void Output::write(std::span<const std::byte> bytes) {
    constexpr mode_t owner_only = 0600;  // memory may hold keys and passwords
    if (!path_.empty() && !file_) {
        file_ = os::Fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, owner_only));
        if (!file_) {
            throw WrongInput(fmt::format("{}: {} cannot be written: {}; name another file", asked_,
                                         path_, std::strerror(errno)));
        }
    }
    const int fd = file_ ? file_.get() : STDOUT_FILENO;
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written >= 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(written));
            written_ += static_cast<std::uint64_t>(written);
        } else if (errno != EINTR) {
            throw Failure(fmt::format(
                "{}: {}", asked_,
                write_refusal(path_.empty() ? "standard output" : path_, written_, errno)));
        }
    }
}

void Output::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

}  // namespace onecopy::cli
