#include "arena/fork_hold.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace onecopy::arena {
namespace {

using std::chrono::milliseconds;

/// Most children that execute a program do so within this time, and cost nothing.
constexpr milliseconds grace{2};

/// How long a child is waited for when its copies do not fit into memory.
constexpr milliseconds patience{10000};
constexpr milliseconds between_looks{20};

/// So little is copied by the child at once: cheaper than being waited for.
constexpr std::size_t little_bytes = std::size_t{512} << 10;

/// Left to the others, as when memory is handed out.
constexpr std::uint64_t margin_bytes = std::uint64_t{16} << 20;

/// The kernel takes so many pages into its hands at a time, 1024 of 4 KiB, before it looks at the
/// source.
constexpr std::size_t at_once_bytes = std::size_t{4} << 20;

constexpr char hello = 'h', failed = 'f', copied = 'd';

/// The name of a file about a process, without an allocation.
class ProcPath {
public:
    ProcPath(pid_t pid, const char* file) noexcept {
        std::snprintf(text_.data(), text_.size(), "/proc/%d/%s", static_cast<int>(pid), file);
    }
    [[nodiscard]] const char* c_str() const noexcept { return text_.data(); }

private:
    std::array<char, 64> text_;
};

/// Whether an entry of /proc/PID/pagemap is of a page that the process has to itself.
/// Source: Linux, Documentation/admin-guide/mm/pagemap.rst.
bool is_own_page(std::uint64_t entry) noexcept {
    constexpr std::uint64_t present_or_swapped = std::uint64_t{3} << 62;
    constexpr std::uint64_t of_a_file = std::uint64_t{1} << 61;
    return (entry & present_or_swapped) != 0 && (entry & of_a_file) == 0;
}

}  // namespace

bool other_threads_run() noexcept {
    struct stat facts {};
    return ::stat("/proc/self/task", &facts) != 0 || facts.st_nlink != 3;
}

void ForkHold::prepare(std::size_t bytes, bool by_hand,
                       const os::HeadroomWatch* headroom) noexcept {
    headroom_ = headroom;
    // A handler that ran while the parent is held would write for itself and for the child.
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &signals_);
    bytes_ = bytes;
    child_ = 0;
    of_our_parent_.store(nullptr, std::memory_order_release);
    room_ = true;
    if (bytes == 0) return;
    threads_ = other_threads_run();
    shared_ = os::Mapping(sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    if (shared_) {
        os::Lifeline::make_at(&shared()->parent);
        os::Lifeline::make_at(&shared()->child);
        shared()->parent.hold();
    }
    if (!unreadable_) {
        unreadable_ =
            os::Mapping(at_once_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    }
    std::array<int, 2> ends{-1, -1};
    ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data());
    parent_end_ = os::Fd(ends[0]);
    child_end_ = os::Fd(ends[1]);
    const int on = 1;
    ::setsockopt(parent_end_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    room_ = !by_hand || fits();
}

ForkHold::Order ForkHold::enter_child() noexcept {
    parent_end_ = os::Fd{};
    if (bytes_ == 0) return Order::go_on;
    // Where not even a page or two descriptors could be had, nobody could tell when to go on.
    if (!shared_ || !child_end_ || !shared()->child.hold()) give_up_child();
    of_our_parent_.store(reinterpret_cast<const Shared*>(shared_.release().data()),
                         std::memory_order_release);
    char order = 0;
    ssize_t got = ::send(child_end_.get(), &hello, 1, MSG_NOSIGNAL);
    do {
        got = ::recv(child_end_.get(), &order, 1, 0);
    } while (got < 0 && errno == EINTR);
    if (got != 1 || order != static_cast<char>(Order::copy)) child_end_ = os::Fd{};
    // A parent that has ended writes nothing any more.
    return got == 1 && order == static_cast<char>(Order::copy) ? Order::copy : Order::go_on;
}

void ForkHold::child_has_copied() noexcept {
    ::send(child_end_.get(), &copied, 1, MSG_NOSIGNAL);
    child_end_ = os::Fd{};
}

void ForkHold::give_up_child() noexcept {
    if (child_end_) ::send(child_end_.get(), &failed, 1, MSG_NOSIGNAL);
    ::raise(SIGKILL);
    ::_exit(127);
}

char ForkHold::receive() noexcept {
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t got = 0;
    do {
        got = ::recvmsg(parent_end_.get(), &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got != 1) return 0;
    for (const cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
         each = CMSG_NXTHDR(&message, const_cast<cmsghdr*>(each))) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_CREDENTIALS) continue;
        ucred sender{};
        std::memcpy(&sender, CMSG_DATA(each), sizeof sender);
        child_ = sender.pid;  // as it is called here, though it be in another pid namespace
    }
    return byte;
}

bool ForkHold::fits() const noexcept {
    return headroom_ == nullptr || headroom_->ask().bytes >= bytes_ + margin_bytes;
}

void ForkHold::let_signals_in() const noexcept {
    ::pthread_sigmask(SIG_SETMASK, &signals_, nullptr);
}

ForkHold::Outcome ForkHold::meet() noexcept {
    child_end_ = os::Fd{};
    if (bytes_ == 0) return Outcome::settled;
    if (!parent_end_ || !shared_) {
        // If there is a child, it has given up. Whoever wraps fork() knows.
        say("no descriptors or no memory are left to tell when it is done");
        return Outcome::refused;
    }
    const char first = receive();
    if (first == 0) return Outcome::settled;  // there is no child, or no longer
    if (first == failed) {
        kill_child(room_ ? "the kernel has no mappings left for them (vm.max_map_count, ulimit -v)"
                         : "they do not fit into memory");
        return Outcome::refused;
    }
    return Outcome::go_on;
}

ForkHold::Outcome ForkHold::watch(bool still) noexcept {
    const bool exact = still && may_copy_for_child();
    page_map_ = os::Fd(::open(ProcPath(child_, "pagemap").c_str(), O_RDONLY | O_CLOEXEC));
    const bool copy_now = bytes_ <= little_bytes || (!exact && fits());
    const auto order = static_cast<char>(copy_now ? Order::copy : Order::go_on);
    ::send(parent_end_.get(), &order, 1, MSG_NOSIGNAL);
    if (!copy_now) return watch_lazily();
    if (receive() != failed) return Outcome::settled;
    kill_child("there was no memory for them");
    return Outcome::refused;
}

ForkHold::Outcome ForkHold::watch_lazily() noexcept {
    if (wait_until_gone(grace)) return Outcome::settled;
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!fits() || !may_copy_for_child()) {
        if (wait_until_gone(between_looks)) return Outcome::settled;
        if (std::chrono::steady_clock::now() < end) continue;
        kill_child(fits() ? "it may not be reached (it is not dumpable any more?), and it executed "
                            "no program within 10 s"
                          : "they do not fit into memory, and it executed no program within 10 s");
        return Outcome::refused;
    }
    return Outcome::copy_for_it;
}

void ForkHold::kill_child(const char* why) const noexcept {
    if (child_ > 0) ::kill(child_, SIGKILL);
    shared()->child.wait_until_lost(patience);
    say(why);
}

void ForkHold::say(const char* why) const noexcept {
    std::array<char, 320> line{};
    const int length = std::snprintf(line.data(), line.size(),
                                     "onecopy: fork: the child was ended: %zu KiB of shared memory "
                                     "need copies of their own in it, "
                                     "but %s; use posix_spawn or vfork, or raise that limit\n",
                                     bytes_ >> 10, why);
    [[maybe_unused]] const ssize_t written =
        ::write(STDERR_FILENO, line.data(), static_cast<std::size_t>(length));
}

bool ForkHold::may_copy_for_child() const noexcept {
    // Refusals come before it is seen that the source cannot be read.
    return unreadable_ && child_ > 0 &&
           write_nothing(reinterpret_cast<std::uintptr_t>(shared()), 1) == EFAULT;
}

/// The kernel takes the child's pages for writing, which gives the child its own copies, before it
/// looks at the source; there it stops. So no byte is written, and what the child writes at the
/// same moment is not overwritten. Returns why the kernel stopped.
int ForkHold::write_nothing(std::uintptr_t at, std::size_t bytes) const noexcept {
    const iovec nothing{unreadable_.data(), bytes};
    const iovec there{reinterpret_cast<void*>(at), bytes};
    return ::process_vm_writev(child_, &nothing, 1, &there, 1, 0) < 0 ? errno : 0;
}

bool ForkHold::wait_until_gone(milliseconds at_most) noexcept {
    if (!shared()->child.wait_until_lost(at_most)) return false;
    if (is_gone()) return true;
    ::usleep(static_cast<useconds_t>(std::chrono::microseconds(at_most).count()));
    return is_gone();
}

/// Its lifeline is lost: has it executed or ended, or only its first thread?
bool ForkHold::is_gone() noexcept {
    const auto has_our_page = [&](pid_t thread) {
        char byte = 0;
        const iovec here{&byte, 1};
        const iovec there{shared(), 1};
        return ::process_vm_readv(thread, &here, 1, &there, 1, 0) == 1;
    };
    // For some microseconds a thread on its way out still has its memory.
    for (int looks = 0; has_our_page(child_); ++looks) {
        if (looks == 20) return false;
        ::usleep(500);
    }
    if (errno != ESRCH) return true;
    DIR* const threads = ::opendir(ProcPath(child_, "task").c_str());
    if (threads == nullptr) return true;
    bool gone = true;
    while (const dirent* each = ::readdir(threads)) {
        const auto number = static_cast<pid_t>(std::strtol(each->d_name, nullptr, 10));
        if (number <= 0 || !has_our_page(number)) continue;
        child_ = number;
        gone = false;
        break;
    }
    ::closedir(threads);
    return gone;
}

bool ForkHold::copy_for_child(const Range& range) const noexcept {
    for (std::uintptr_t at = range.begin; at < range.end; at += at_once_bytes) {
        const std::size_t bytes = std::min<std::size_t>(range.end - at, at_once_bytes);
        const int error = write_nothing(at, bytes);
        if (error != 0 && error != EFAULT) {
            return error == ESRCH;  // gone; or it has taken the right to from us
        }
        if (!copy_one_by_one(at, bytes)) return false;
    }
    return true;
}

/// The kernel stops at a page that cannot be written (the child has unmapped or protected it) and
/// does not say so: the pages that still are the file's are taken one by one. One that the child
/// may only read cannot change while our bytes, the same, are forced into it.
bool ForkHold::copy_one_by_one(std::uintptr_t begin, std::size_t bytes) const noexcept {
    constexpr std::size_t most_pages = at_once_bytes / 4096;
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    std::array<std::uint64_t, most_pages> entries;
    const std::size_t pages = bytes / page;
    const auto offset = static_cast<off_t>(begin / page * sizeof entries[0]);
    const ssize_t got = ::pread(page_map_.get(), entries.data(), pages * sizeof entries[0], offset);
    if (got != static_cast<ssize_t>(pages * sizeof entries[0])) return true;  // gone, or no /proc
    for (std::size_t i = 0; i < pages; ++i) {
        if (is_own_page(entries[i])) continue;
        const std::uintptr_t at = begin + i * page;
        write_nothing(at, 1);
        std::uint64_t entry = 0;
        if (::pread(page_map_.get(), &entry, sizeof entry,
                    static_cast<off_t>(at / page * sizeof entry)) != sizeof entry) {
            return true;
        }
        if (is_own_page(entry)) continue;
        if (!force_same(at, page)) return false;
    }
    return true;
}

/// False if it cannot be done where it must be.
bool ForkHold::force_same(std::uintptr_t at, std::size_t page) const noexcept {
    // Another mapping may stand there by now; then it is none of ours.
    std::array<char, 4096> seen;
    for (std::size_t done = 0; done < page; done += seen.size()) {
        const iovec here{seen.data(), seen.size()};
        const iovec there{reinterpret_cast<void*>(at + done), seen.size()};
        if (::process_vm_readv(child_, &here, 1, &there, 1, 0) !=
                static_cast<ssize_t>(seen.size()) ||
            std::memcmp(seen.data(), reinterpret_cast<const void*>(at + done), seen.size()) != 0) {
            return true;
        }
    }
    const os::Fd memory(::open(ProcPath(child_, "mem").c_str(), O_RDWR | O_CLOEXEC));
    return memory && ::pwrite(memory.get(), reinterpret_cast<const void*>(at), page,
                              static_cast<off_t>(at)) == static_cast<ssize_t>(page);
}

void ForkHold::give_child(const Range& range) const noexcept {
    for (std::uintptr_t at = range.begin; at < range.end;) {
        const iovec here{reinterpret_cast<void*>(at), range.end - at};
        const ssize_t given = ::process_vm_writev(child_, &here, 1, &here, 1, 0);
        if (given <= 0) return;
        at += static_cast<std::size_t>(given);
    }
}

void ForkHold::finish() noexcept {
    if (shared_) {
        shared()->parent.let_go();
        shared_ = os::Mapping();
    }
    parent_end_ = os::Fd{};
    page_map_ = os::Fd{};
}

bool ForkHold::our_parent_is_held() const noexcept {
    const Shared* const shared = of_our_parent_.load(std::memory_order_acquire);
    return shared != nullptr && shared->parent.held();
}

void ForkHold::wait_for_our_parent() const noexcept {
    while (our_parent_is_held()) ::usleep(100);
}

}  // namespace onecopy::arena
