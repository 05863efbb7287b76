#include "fuse_file.hpp"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

namespace onecopy::test {
namespace {

constexpr std::uint64_t file_node = 2;
std::atomic<bool> asked{false};
std::uint64_t file_bytes = 0;

fuse_attr attributes(std::uint64_t node) noexcept {
    fuse_attr attr{};
    attr.ino = node;
    attr.mode = node == file_node ? S_IFREG | 0644 : S_IFDIR | 0755;
    attr.nlink = 1;
    attr.size = node == file_node ? file_bytes : 0;
    return attr;
}

void answer(int fd, std::uint64_t unique, int error, const void* body, std::size_t bytes) noexcept {
    fuse_out_header header{};
    header.unique = unique;
    header.error = -error;
    header.len = static_cast<std::uint32_t>(sizeof header + bytes);
    const std::array<iovec, 2> parts{iovec{&header, sizeof header},
                                     iovec{const_cast<void*>(body), bytes}};
    if (::writev(fd, parts.data(), bytes > 0 ? 2 : 1) < 0) return;  // the asker may be gone
}

template <class Body>
void answer(int fd, std::uint64_t unique, const Body& body) noexcept {
    answer(fd, unique, 0, &body, sizeof body);
}

/// Answers everything but a read. Source: linux/fuse.h.
void serve(int fd) noexcept {
    alignas(fuse_in_header) static std::array<char, 1 << 18> request;
    for (;;) {
        if (::read(fd, request.data(), request.size()) < 0) {
            if (errno == EINTR || errno == ENOENT) continue;
            return;
        }
        fuse_in_header header{};
        std::memcpy(&header, request.data(), sizeof header);
        switch (header.opcode) {
            case FUSE_INIT: {
                fuse_init_out out{};
                out.major = FUSE_KERNEL_VERSION;
                out.minor = 31;
                out.max_write = 4096;
                answer(fd, header.unique, out);
                break;
            }
            case FUSE_LOOKUP: {
                fuse_entry_out out{};
                out.nodeid = file_node;
                out.attr = attributes(file_node);
                answer(fd, header.unique, out);
                break;
            }
            case FUSE_GETATTR: {
                fuse_attr_out out{};
                out.attr = attributes(header.nodeid);
                answer(fd, header.unique, out);
                break;
            }
            case FUSE_OPEN:
                answer(fd, header.unique, fuse_open_out{});
                break;
            case FUSE_FORGET:
                break;
            case FUSE_READ:
                asked = true;
                ::close(fd);  // ends the connection: whoever waits gets an error
                return;
            default:
                answer(fd, header.unique, ENOSYS, nullptr, 0);
        }
    }
}

}  // namespace

std::int64_t map_fuse_file(const char* directory, std::size_t bytes) noexcept {
    file_bytes = bytes;
    const int fuse = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fuse < 0 || ::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        return -errno;
    }
    std::array<char, 128> options{};
    std::snprintf(options.data(), options.size(), "fd=%d,rootmode=40000,user_id=0,group_id=0",
                  fuse);
    if (::mount("onecopy-test", directory, "fuse", MS_NOSUID | MS_NODEV, options.data()) != 0) {
        return -errno;
    }
    std::thread(serve, fuse).detach();
    std::array<char, 4096> path{};
    std::snprintf(path.data(), path.size(), "%s/stuck", directory);
    const int file = ::open(path.data(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return -errno;
    void* at = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
    // Closed while the daemon lives: the end of a process closes what is open and waits for the
    // daemon's answer, which here would be its own thread, dead already.
    ::close(file);
    return at == MAP_FAILED ? -errno
                            : static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(at));
}

bool fuse_page_was_asked_for() noexcept { return asked; }

}  // namespace onecopy::test
