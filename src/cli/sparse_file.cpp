#include "cli/sparse_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/arguments.hpp"
#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

constexpr std::size_t hole_bytes = 4096;  // what file systems can leave out

bool is_zero(std::span<const std::byte> bytes) noexcept {
    // Equal to itself one byte further on, and the first is zero: all are.
    return bytes.empty() || (bytes[0] == std::byte{0} &&
                             std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

SparseFile::SparseFile(std::string asked, std::string path, std::uint64_t bytes)
    : asked_(std::move(asked)), path_(std::move(path)), partial_(path_ + ".partial") {
    struct stat existing {};
    if (::stat(path_.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode)) {
        throw WrongInput(
            fmt::format("{}: {} is no ordinary file; name another one", asked_, path_));
    }
    // Removed and made anew rather than opened: somebody may have put a link there.
    ::unlink(partial_.c_str());
    file_ = os::Fd(::open(partial_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file_) {
        throw WrongInput(fmt::format("{}: {} cannot be made: {}; name another file", asked_,
                                     partial_, std::strerror(errno)));
    }
    if (::ftruncate(file_.get(), static_cast<off_t>(bytes)) != 0) {
        const int error = errno;
        ::unlink(partial_.c_str());
        if (error == EFBIG || error == EINVAL) {
            throw Failure(
                fmt::format("{}: {} of address space is longer than a file can be there; "
                            "write it to another file system (XFS), or raise `ulimit -f`",
                            asked_, bytes_text(bytes)));
        }
        fail("cannot be made that long", error);
    }
}

SparseFile::~SparseFile() {
    if (file_) ::unlink(partial_.c_str());
}

void SparseFile::fail(const char* what, int error) const {
    throw Failure(
        fmt::format("{}: {} {}: {}; make room or write to another file system, nothing "
                    "is left of it",
                    asked_, path_, what, std::strerror(error)));
}

void SparseFile::write(std::span<const std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t written =
            ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written < 0) {
            if (errno == EINTR) continue;
            fail("takes no more", errno);
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
}

std::uint64_t SparseFile::write_sparse(std::span<const std::byte> bytes, std::uint64_t offset) {
    std::uint64_t kept = 0;
    std::size_t begin = 0;  // of the run of pages to write
    std::size_t at = 0;
    const auto flush = [&] {
        if (begin < at) write(bytes.subspan(begin, at - begin), offset + begin);
        kept += at - begin;
    };
    while (at < bytes.size()) {
        const std::size_t page = std::min(hole_bytes, bytes.size() - at);
        if (is_zero(bytes.subspan(at, page))) {
            flush();
            begin = at + page;
        }
        at += page;
    }
    flush();
    return kept;
}

void SparseFile::keep() {
    // Network file systems tell only at a close that the disk is full.
    if (const int copy = ::dup(file_.get()); copy >= 0 && ::close(copy) != 0) {
        fail("takes no more", errno);
    }
    if (::rename(partial_.c_str(), path_.c_str()) != 0) fail("cannot be named", errno);
    file_ = os::Fd();
}

}  // namespace onecopy::cli
