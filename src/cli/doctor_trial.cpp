// Trying things out: in children, because a seccomp filter may answer with SIGSYS instead of an
// errno, and on a child, because there bytes can be moved without harm to anybody.
//
// Between fork and _exit only async-signal-safe functions are called.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/doctor_gather.hpp"
#include "os/fd.hpp"
#include "os/ready_flag.hpp"

namespace onecopy::cli {
namespace {

using os::Fd;

// Kernel ABI that is newer than Debian 12's headers.
constexpr int madvise_populate_write = 23;  // Linux 5.14
constexpr int madvise_collapse = 25;        // Linux 6.1
constexpr long futex_waitv_number = 449;    // Linux 5.16
struct FutexWaiter {
    std::uint64_t value, address;
    std::uint32_t flags, reserved;
};
struct PagemapScan {  // linux/fs.h, struct pm_scan_arg
    std::uint64_t size, flags, start, end, walk_end, vector, vector_length, max_pages;
    std::uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct ProcmapQuery {  // linux/fs.h, struct procmap_query
    std::uint64_t size, query_flags, query_address;
    std::array<std::uint64_t, 6> answers;
    std::array<std::uint32_t, 4> more_answers;
    std::array<std::uint64_t, 2> buffers;
};
constexpr unsigned long pagemap_scan = _IOWR('f', 16, PagemapScan);
constexpr unsigned long procmap_query = _IOWR('f', 17, ProcmapQuery);

constexpr std::size_t page_bytes = 4096;
constexpr std::size_t huge_page_bytes = 2 << 20;
constexpr std::array<char, 8> message{"onecopy"};

/// Owns a mapping. Source: mmap(2).
class Mapping {
public:
    Mapping(std::size_t bytes, int flags, int fd = -1) noexcept
        : bytes_(bytes), at_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, fd, 0)) {}
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (*this) ::munmap(at_, bytes_);
    }
    explicit operator bool() const noexcept { return at_ != MAP_FAILED; }
    [[nodiscard]] char* data() const noexcept { return static_cast<char*>(at_); }

private:
    std::size_t bytes_;
    void* at_;
};

/// The errno of the last call unless it worked.
int outcome(bool worked) noexcept { return worked ? 0 : errno; }

bool wait_for(pid_t child, int& status) noexcept {
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return false;
    }
    return true;
}

/// Runs `attempt`, which returns an errno, in a child.
template <class Function>
Attempt in_child(Function&& attempt) {
    const pid_t child = ::fork();
    if (child < 0) return {true, errno};
    if (child == 0) ::_exit(attempt());
    int status = 0;
    if (!wait_for(child, status)) return {true, errno};
    if (WIFSIGNALED(status)) return {true, EPERM, true};
    return {true, WEXITSTATUS(status)};
}

int open_pidfd(pid_t pid) noexcept { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

int self_transfer(bool write) noexcept {
    char from = 'a';
    char to = 'b';
    const iovec local{&to, 1};
    const iovec remote{&from, 1};
    return outcome((write ? ::process_vm_writev(::getpid(), &local, 1, &remote, 1, 0)
                          : ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0)) == 1);
}

int take_own_descriptor() noexcept {
    const int pidfd = open_pidfd(::getpid());
    return outcome(pidfd >= 0 && ::syscall(SYS_pidfd_getfd, pidfd, pidfd, 0) >= 0);
}

int lend_a_page() noexcept {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno;
    const iovec lent{const_cast<char*>(message.data()), message.size()};
    return outcome(::vmsplice(ends[1], &lent, 1, 0) == static_cast<ssize_t>(message.size()));
}

/// The target of the trial: a child that prepares its memory and then waits to be told to end.
/// Its messages to us: one byte "ready", with a memfd of its own making attached.
class Subject {
public:
    /// `shared` is a memfd made before, -1 for none; `use_vmsplice` as the filter permits.
    Subject(const Mapping& pages, int shared, bool use_vmsplice) noexcept {
        std::array<int, 2> channel{-1, -1};
        std::array<int, 2> pipe{-1, -1};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel.data()) != 0 ||
            ::pipe2(pipe.data(), O_CLOEXEC) != 0) {
            error_ = errno;
            return;
        }
        channel_ = Fd(channel[0]);
        lent_ = Fd(pipe[0]);
        const Fd child_channel(channel[1]);
        const Fd child_pipe(pipe[1]);
        pid_ = ::fork();
        if (pid_ < 0) error_ = errno;
        if (pid_ == 0) {
            ::close(channel[0]);  // or the child would hold its own end and never see us go
            live(pages.data(), shared, channel[1], use_vmsplice ? pipe[1] : -1);
        }
        channel_end_in_child_ = channel[1];
    }
    Subject(const Subject&) = delete;
    Subject& operator=(const Subject&) = delete;
    ~Subject() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        int status = 0;
        wait_for(pid_, status);
    }

    [[nodiscard]] int error() const noexcept { return error_; }
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] int lent() const noexcept { return lent_.get(); }
    [[nodiscard]] int channel_end_in_child() const noexcept { return channel_end_in_child_; }

    /// Waits until its memory is prepared. The descriptor it sent, empty if it sent none.
    Fd wait_until_ready(bool& ready) const noexcept {
        char byte = 0;
        iovec text{&byte, 1};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        msghdr header{};
        header.msg_iov = &text;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        ready = ::recvmsg(channel_.get(), &header, MSG_CMSG_CLOEXEC) == 1;
        const cmsghdr* attached = ready ? CMSG_FIRSTHDR(&header) : nullptr;
        if (attached == nullptr || attached->cmsg_type != SCM_RIGHTS) return Fd();
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(attached), sizeof fd);
        return Fd(fd);
    }

private:
    [[noreturn]] static void live(char* pages, int shared, int channel, int pipe) noexcept {
        std::memcpy(pages, message.data(), message.size());
        ::mprotect(pages + page_bytes, page_bytes, PROT_READ);
        int sent = -1;
        if (shared >= 0) {
            ::pwrite(shared, message.data(), message.size(), 0);
            sent = ::memfd_create("onecopy-doctor-sent", MFD_CLOEXEC);
            if (sent >= 0) ::pwrite(sent, message.data(), message.size(), 0);
        }
        if (pipe >= 0) {
            const iovec lent{pages, message.size()};
            ::vmsplice(pipe, &lent, 1, 0);
        }
        send_ready(channel, sent);
        char byte = 0;
        while (::read(channel, &byte, 1) < 0 && errno == EINTR) {
        }
        ::_exit(0);
    }

    static void send_ready(int channel, int fd) noexcept {
        char byte = 'r';
        iovec text{&byte, 1};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        msghdr header{};
        header.msg_iov = &text;
        header.msg_iovlen = 1;
        if (fd >= 0) {
            header.msg_control = control.data();
            header.msg_controllen = control.size();
            cmsghdr* attached = CMSG_FIRSTHDR(&header);
            attached->cmsg_level = SOL_SOCKET;
            attached->cmsg_type = SCM_RIGHTS;
            attached->cmsg_len = CMSG_LEN(sizeof fd);
            std::memcpy(CMSG_DATA(attached), &fd, sizeof fd);
        }
        ::sendmsg(channel, &header, MSG_NOSIGNAL);
    }

    int error_ = 0;
    pid_t pid_ = -1;
    Fd channel_;
    Fd lent_;
    int channel_end_in_child_ = -1;
};

Attempt from(int error) { return {true, error}; }

bool holds_message(const char* bytes) noexcept {
    return std::memcmp(bytes, message.data(), message.size()) == 0;
}

bool holds_message(int fd) noexcept {
    std::array<char, message.size()> got{};
    return ::pread(fd, got.data(), got.size(), 0) == static_cast<ssize_t>(got.size()) &&
           holds_message(got.data());
}

void try_transfers(Attempts& attempts, const Attempts& on_itself, pid_t pid, char* page) {
    std::array<char, message.size()> got{};
    const iovec local{got.data(), got.size()};
    const iovec remote{page, got.size()};
    const auto whole = static_cast<ssize_t>(got.size());
    if (on_itself[Way::process_vm_readv].worked()) {
        const bool moved = ::process_vm_readv(pid, &local, 1, &remote, 1, 0) == whole;
        attempts[Way::process_vm_readv] =
            from(moved && !holds_message(got.data()) ? EIO : outcome(moved));
    }
    if (on_itself[Way::process_vm_writev].worked()) {
        std::memcpy(got.data(), message.data(), message.size());
        attempts[Way::process_vm_writev] =
            from(outcome(::process_vm_writev(pid, &local, 1, &remote, 1, 0) == whole));
    }
    const std::string path = "/proc/" + std::to_string(pid) + "/mem";
    const auto offset = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(page));
    {
        const Fd mem(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        attempts[Way::proc_mem_read] =
            from(outcome(mem && ::pread(mem.get(), got.data(), got.size(), offset) == whole));
    }
    const Fd mem(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    attempts[Way::proc_mem_write] =
        from(outcome(mem && ::pwrite(mem.get(), message.data(), message.size(), offset) == whole));
    if (mem) {
        const auto read_only = offset + static_cast<off_t>(page_bytes);
        attempts[Way::proc_mem_force] =
            from(outcome(::pwrite(mem.get(), message.data(), message.size(), read_only) == whole));
    }
}

}  // namespace

Attempts try_on_itself() {
    Attempts attempts;
    attempts[Way::process_vm_readv] = in_child([] { return self_transfer(false); });
    attempts[Way::process_vm_writev] = in_child([] { return self_transfer(true); });
    attempts[Way::pidfd_open] = in_child([] { return outcome(open_pidfd(::getpid()) >= 0); });
    attempts[Way::pidfd_getfd] = attempts[Way::pidfd_open].worked()
                                     ? in_child([] { return take_own_descriptor(); })
                                     : attempts[Way::pidfd_open];
    attempts[Way::memfd] =
        in_child([] { return outcome(::memfd_create("onecopy-doctor", 0) >= 0); });
    attempts[Way::vmsplice] = in_child([] { return lend_a_page(); });
    attempts[Way::module] =
        in_child([] { return outcome(::open("/dev/onecopy", O_RDWR | O_CLOEXEC) >= 0); });
    return attempts;
}

Attempts try_on_own_child(const Attempts& on_itself) {
    Attempts attempts;
    const Mapping pages(2 * page_bytes, MAP_PRIVATE | MAP_ANONYMOUS);
    const Fd shared(on_itself[Way::memfd].worked()
                        ? ::memfd_create("onecopy-doctor-inherited", MFD_CLOEXEC)
                        : -1);
    if (!pages) return attempts;
    const Subject child(pages, shared.get(), on_itself[Way::vmsplice].worked());
    if (child.error() != 0) return attempts;
    bool ready = false;
    const Fd sent = child.wait_until_ready(ready);
    if (!ready) return attempts;

    try_transfers(attempts, on_itself, child.pid(), pages.data());
    if (on_itself[Way::pidfd_open].worked()) {
        const Fd pidfd(open_pidfd(child.pid()));
        attempts[Way::pidfd_open] = from(outcome(static_cast<bool>(pidfd)));
        if (pidfd && on_itself[Way::pidfd_getfd].worked()) {
            const Fd taken(static_cast<int>(
                ::syscall(SYS_pidfd_getfd, pidfd.get(), child.channel_end_in_child(), 0)));
            attempts[Way::pidfd_getfd] = from(outcome(static_cast<bool>(taken)));
        }
    }
    if (on_itself[Way::memfd].worked()) {
        const bool both =
            shared && sent && holds_message(shared.get()) && holds_message(sent.get());
        attempts[Way::memfd] = from(both ? 0 : EIO);
    }
    if (on_itself[Way::vmsplice].worked()) {
        std::array<char, message.size()> got{};
        const bool came =
            ::read(child.lent(), got.data(), got.size()) == static_cast<ssize_t>(got.size());
        attempts[Way::vmsplice] = from(came && holds_message(got.data()) ? 0 : EIO);
    }
    return attempts;
}

std::array<Attempt, feature_count> try_features() {
    std::array<Attempt, feature_count> features;
    const auto set = [&](Feature feature, Attempt attempt) {
        features[static_cast<std::size_t>(feature)] = attempt;
    };
    set(Feature::pidfd_open, in_child([] { return outcome(open_pidfd(::getpid()) >= 0); }));
    set(Feature::pidfd_getfd, in_child([] { return take_own_descriptor(); }));
    set(Feature::madvise_populate, in_child([] {
            const Mapping page(page_bytes, MAP_PRIVATE | MAP_ANONYMOUS);
            return page ? outcome(::madvise(page.data(), page_bytes, madvise_populate_write) == 0)
                        : ENOMEM;
        }));
    set(Feature::futex_waitv, in_child([] {
            // The word differs from what is waited for: a kernel that knows the call says EAGAIN.
            constexpr std::uint32_t futex_32 = 2;
            std::uint32_t word = 1;
            FutexWaiter waiter{0, reinterpret_cast<std::uintptr_t>(&word), futex_32, 0};
            ::syscall(futex_waitv_number, &waiter, 1, 0, nullptr, 0);
            return errno == EAGAIN ? 0 : errno;
        }));
    set(Feature::madvise_collapse, in_child([] {
            const Mapping room(2 * huge_page_bytes, MAP_PRIVATE | MAP_ANONYMOUS);
            if (!room) return ENOMEM;
            char* aligned =
                room.data() + (-reinterpret_cast<std::uintptr_t>(room.data())) % huge_page_bytes;
            *aligned = 1;
            const int error = outcome(::madvise(aligned, huge_page_bytes, madvise_collapse) == 0);
            return error == EINVAL ? error : 0;  // no free huge page now: it exists all the same
        }));
    set(Feature::deferred_completions, in_child([] {
            std::array<int, 2> ends{};
            os::ReadyFlag flag;
            if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno;
            return flag.arm(ends[0]) ? 0 : ENOSYS;
        }));
    set(Feature::pagemap_scan, in_child([] {
            const Fd pagemap(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
            PagemapScan scan{};
            scan.size = sizeof scan;
            return pagemap ? outcome(::ioctl(pagemap.get(), pagemap_scan, &scan) >= 0) : errno;
        }));
    set(Feature::procmap_query, in_child([] {
            const Fd maps(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
            ProcmapQuery query{};
            query.size = sizeof query;
            query.query_address = reinterpret_cast<std::uintptr_t>(&query);
            return maps ? outcome(::ioctl(maps.get(), procmap_query, &query) == 0) : errno;
        }));
    set(Feature::userfaultfd, in_child([] {
            // As nobody, if this process may become nobody; else it has no privilege anyway.
            constexpr uid_t nobody = 65534;
            if (::setresgid(nobody, nobody, nobody) != 0 ||
                ::setresuid(nobody, nobody, nobody) != 0) {
                errno = 0;
            }
            return outcome(::syscall(SYS_userfaultfd, O_CLOEXEC) >= 0);
        }));
    return features;
}

}  // namespace onecopy::cli
