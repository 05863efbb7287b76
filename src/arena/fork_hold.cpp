#include "arena/fork_hold.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

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

}  // namespace

bool other_threads_run() noexcept {
    struct stat facts {};
    return ::stat("/proc/self/task", &facts) != 0 || facts.st_nlink != 3;
}

void ForkHold::prepare(std::size_t bytes) noexcept {
    bytes_ = bytes;
    child_ = 0;
    still_ = false;
    of_our_parent_.store(nullptr, std::memory_order_release);
    if (bytes == 0) return;
    threads_ = arena::other_threads_run();
    still_ = !threads_;
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
    try {
        if (!headroom_) headroom_.emplace();
    } catch (const std::exception&) {
    }
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
    return !headroom_ || headroom_->ask().bytes >= bytes_ + margin_bytes;
}

ForkHold::Outcome ForkHold::watch() noexcept {
    child_end_ = os::Fd{};
    if (bytes_ == 0) return Outcome::settled;
    const char first = receive();
    if (first == 0) return Outcome::settled;  // there is no child, or no longer
    if (first == failed) {
        kill_child("there is no memory to keep account of it");
        return Outcome::refused;
    }
    const bool exact = still_ && may_copy_for_child();
    const bool copy_now = bytes_ <= little_bytes || (!exact && fits());
    const auto order = static_cast<char>(copy_now ? Order::copy : Order::go_on);
    ::send(parent_end_.get(), &order, 1, MSG_NOSIGNAL);
    if (!copy_now) return watch_lazily();
    return receive() == failed ? Outcome::refused : Outcome::settled;
}

ForkHold::Outcome ForkHold::watch_lazily() noexcept {
    if (shared()->child.wait_until_lost(grace)) return Outcome::settled;
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!fits() || !may_copy_for_child()) {
        if (shared()->child.wait_until_lost(between_looks)) return Outcome::settled;
        if (std::chrono::steady_clock::now() < end) continue;
        kill_child("they do not fit into memory, and it executed no program within 10 s");
        return Outcome::refused;
    }
    return Outcome::copy_for_it;
}

void ForkHold::kill_child(const char* why) const noexcept {
    if (child_ > 0) ::kill(child_, SIGKILL);
    shared()->child.wait_until_lost(patience);
    std::array<char, 320> line{};
    const int length = std::snprintf(
        line.data(), line.size(),
        "onecopy: fork: process %d was ended: %zu MiB of shared memory need copies of their own in "
        "it, but %s; use posix_spawn or vfork, or allow more memory\n",
        static_cast<int>(child_), bytes_ >> 20, why);
    [[maybe_unused]] const ssize_t written =
        ::write(STDERR_FILENO, line.data(), static_cast<std::size_t>(length));
}

bool ForkHold::may_copy_for_child() const noexcept {
    // Writes nothing: the source cannot be read. Refusals come before that is seen.
    if (!unreadable_ || child_ <= 0) return false;
    const iovec nothing{unreadable_.data(), 1};
    const iovec there{const_cast<Shared*>(shared()), 1};
    return ::process_vm_writev(child_, &nothing, 1, &there, 1, 0) < 0 && errno == EFAULT;
}

bool ForkHold::copy_for_child(const Range& range) const noexcept {
    // The kernel takes the pages for writing, which gives the child its own copies, before it looks
    // at the source; there it stops. So no byte is written, and what the child writes at the same
    // moment is not overwritten.
    for (std::uintptr_t at = range.begin; at < range.end; at += at_once_bytes) {
        const std::size_t bytes = std::min<std::size_t>(range.end - at, at_once_bytes);
        const iovec nothing{unreadable_.data(), bytes};
        const iovec there{reinterpret_cast<void*>(at), bytes};
        if (!shared()->child.held()) return true;  // it has executed or ended
        if (::process_vm_writev(child_, &nothing, 1, &there, 1, 0) < 0 && errno != EFAULT &&
            shared()->child.held()) {
            return false;  // it has taken the right to from us
        }
    }
    return true;
}

void ForkHold::finish() noexcept {
    if (shared_) {
        shared()->parent.let_go();
        shared_ = os::Mapping();
    }
    parent_end_ = os::Fd{};
}

bool ForkHold::our_parent_is_held() const noexcept {
    const Shared* const shared = of_our_parent_.load(std::memory_order_acquire);
    return shared != nullptr && shared->parent.held();
}

void ForkHold::wait_for_our_parent() const noexcept {
    while (our_parent_is_held()) ::usleep(100);
}

}  // namespace onecopy::arena
