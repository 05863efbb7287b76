#include "attach/target.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "os/no_cancel.hpp"

namespace onecopy::attach {
namespace {

constexpr int pidfd_open_number = 434;  // the same on every architecture; absent in old headers

/// A process as /proc/PID/stat tells it.
struct Stat {
    char state;
    long threads;
};

/// Field 2, the name, may hold anything, spaces and brackets too: the last ')' ends it.
bool parse_stat(std::string_view text, Stat& stat) noexcept {
    const std::size_t name_end = text.rfind(')');
    if (name_end == std::string_view::npos || name_end + 2 >= text.size()) return false;
    text.remove_prefix(name_end + 2);
    stat.state = text[0];
    for (int field = 3; field < 20; ++field) {  // proc(5): (3) state ... (20) num_threads
        const std::size_t space = text.find(' ');
        if (space == std::string_view::npos) return false;
        text.remove_prefix(space + 1);
    }
    return std::from_chars(text.data(), text.data() + text.size(), stat.threads).ec == std::errc{};
}

std::size_t read_all(int fd, char* buffer, std::size_t capacity) noexcept {
    const ssize_t got = fd < 0 ? -1 : ::pread(fd, buffer, capacity, 0);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
}

/// Whether /proc counts processes as we do. With another pid namespace's /proc mounted,
/// /proc/PID would be somebody else.
bool proc_is_ours() noexcept {
    std::array<char, 16> text{};
    const ssize_t got = ::readlink("/proc/self", text.data(), text.size() - 1);
    return got > 0 && std::atoi(text.data()) == ::getpid();
}

/// Which pid namespace this process is in; 0 if that cannot be told.
std::uint64_t pid_namespace() noexcept {
    struct stat facts {};
    return ::stat("/proc/self/ns/pid", &facts) == 0 ? facts.st_ino : 0;
}

/// 0 if `pid` is a process and not a thread of one, else ESRCH or why it cannot be told; only where
/// pidfd_open does not tell.
int leads_a_group(int proc_dir, int pid) noexcept {
    const os::Fd status(::openat(proc_dir, "status", O_RDONLY | O_CLOEXEC));
    if (!status) return errno == ENOENT ? ESRCH : errno;
    std::array<char, 1024> text{};
    const std::string_view all(text.data(), read_all(status.get(), text.data(), text.size()));
    const std::size_t at = all.find("\nTgid:\t");
    int leader = 0;
    if (at == std::string_view::npos) return ESRCH;
    std::from_chars(all.data() + at + 7, all.data() + all.size(), leader);
    return leader == pid ? 0 : ESRCH;
}

/// Opens a file of /proc that belongs to a memory image; ESRCH where there is none (a zombie, a
/// kernel thread, a first thread that has ended). Kernels before 6.16 open `mem` all the same, and
/// all of them open `maps`: then there is nothing to be read.
os::Fd open_of_image(const char* path, int flags) noexcept {
    os::Fd opened(::open(path, flags | O_CLOEXEC));
    char byte = 0;
    if (opened && ::pread(opened.get(), &byte, 1, 0) == 0) {
        opened = os::Fd{};
        errno = ESRCH;
    }
    return opened;
}

}  // namespace

Target::Target(int pid, ProcessOptions options, std::error_code& error) noexcept
    : pid_(-1), self_(false), options_(options), mem_(-1), maps_(-1) {
    const os::NoCancel no_cancel;
    error.assign(bind(pid), std::system_category());
}

int Target::bind(int pid) noexcept {
    if (pid <= 0) return ESRCH;
    pidfd_ = os::Fd(static_cast<int>(::syscall(pidfd_open_number, pid, 0U)));
    const bool proc_usable = proc_is_ours();
    if (pidfd_) {
        os::Fd watch(::epoll_create1(EPOLL_CLOEXEC));
        epoll_event event{};
        event.events = EPOLLIN;
        if (watch && ::epoll_ctl(watch.get(), EPOLL_CTL_ADD, pidfd_.get(), &event) == 0) {
            watch_ = std::move(watch);
        }
    } else {
        // A thread's number: ENOENT since 6.9, EINVAL before. ENOSYS (or a filter's EPERM): do
        // without.
        if (errno == ENOENT || errno == EINVAL) return ESRCH;
        if (errno != ENOSYS && errno != EPERM && errno != EACCES) return errno;
        std::array<char, 32> path{};
        std::snprintf(path.data(), path.size(), "/proc/%d", pid);
        const os::Fd entry(::open(path.data(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!entry) return errno == ENOENT ? ESRCH : errno;
        if (!proc_usable) return ENOSYS;
        if (const int error = leads_a_group(entry.get(), pid)) return error;
        stat_ = os::Fd(::openat(entry.get(), "stat", O_RDONLY | O_CLOEXEC));
        if (!stat_) return errno == ENOENT ? ESRCH : errno;
    }
    pid_ = pid;
    maker_ = os::process_number();
    maker_pid_ = ::getpid();
    self_ = pid == maker_pid_;
    namespace_ = pid_namespace();
    if (!proc_usable) {
        mem_.store(no_proc, std::memory_order_relaxed);
        return 0;
    }
    if (!self_) cookie_.learn(pid);
    os::Fd opened = open_mem();  // after this the process had not ended, or it fails
    if (!opened && (errno == EMFILE || errno == ENFILE)) return errno;
    if (opened) cookie_.confirm(opened.get());
    if (!opened && ended()) cookie_ = {};
    keep(mem_, std::move(opened));
    return 0;
}

Target::~Target() {
    const os::NoCancel no_cancel;
    for (const auto* slot : {&mem_, &maps_}) {
        if (const int fd = slot->load(std::memory_order_relaxed); fd >= 0) ::close(fd);
    }
}

void Target::serve_by(std::shared_ptr<PeerMemory> memory) noexcept {
    if (served_.exchange(true, std::memory_order_acq_rel)) return;
    peer_memory_kept_ = std::move(memory);
    peer_memory_.store(peer_memory_kept_.get(), std::memory_order_release);
}

bool Target::same_namespace() const noexcept {
    const std::uint32_t here = os::process_number();
    if (here != 0 && verified_in_.load(std::memory_order_relaxed) == here) return true;
    if (namespace_ == 0 || pid_namespace() != namespace_) return false;
    verified_in_.store(here, std::memory_order_relaxed);
    return true;
}

bool Target::ended_by_watch() const noexcept {
    if (flag_.still_quiet()) return false;  // the news was of another target
    const os::NoCancel no_cancel;
    if (!number_is_ours()) return true;
    if (!watch_) return ended_without_watch();
    epoll_event event{};
    const int ready = ::epoll_wait(watch_.get(), &event, 1, 0);
    if (ready < 0) return ended_without_watch();
    if (ready > 0) return true;
    // A flag takes a place in the thread's ring: for those that are asked often.
    constexpr std::uint32_t often = 32;
    if (asked_.load(std::memory_order_relaxed) < often &&
        asked_.fetch_add(1, std::memory_order_relaxed) == often - 1) {
        flag_.arm(pidfd_.get());
    }
    return false;
}

bool Target::ended_without_watch() const noexcept {
    const os::NoCancel no_cancel;
    if (!number_is_ours()) return true;
    if (pidfd_) {
        pollfd waiting{pidfd_.get(), POLLIN, 0};
        int ready = 0;
        do {
            ready = ::poll(&waiting, 1, 0);
        } while (ready < 0 && (errno == EINTR || errno == EAGAIN));
        return ready != 0;  // what cannot be asked is not known to live
    }
    // Reaped: it cannot be read any more. A zombie leader whose threads go on has not ended.
    std::array<char, 1024> text{};
    Stat stat{};
    if (!parse_stat({text.data(), read_all(stat_.get(), text.data(), text.size())}, stat)) {
        return true;
    }
    return (stat.state == 'Z' || stat.state == 'X') && stat.threads <= 1;
}

Target::Image Target::image() const noexcept {
    if (is_self()) return Image::same;
    if (!number_is_ours()) return Image::gone;
    const ImageCookie::Answer answer = cookie_.ask(pid_);
    if (answer == ImageCookie::Answer::different) return Image::gone;
    // Its relatives by fork have the same cookie, so the number must still be its own.
    if (ended()) return Image::gone;
    if (answer == ImageCookie::Answer::same) return Image::same;
    if (answer == ImageCookie::Answer::missing && bound_image_has_cookie()) return Image::gone;
    const os::NoCancel no_cancel;
    const Image known = image_by_mem();
    if (known == Image::gone) return known;
    // An image that somebody reads in outlives its process, so the process must be asked too: one
    // that is about to end has no memory any more. Nor has a first thread that has ended; then
    // another thread of the process has, if it can be opened.
    const int right = probe();
    if (right == 0 || right == EPERM) return known;
    const int fresh = mem_permitted_now(false);
    const bool cannot_be_asked = right == ENOSYS && (fresh == EPERM || fresh == EACCES);
    return fresh == 0 || cannot_be_asked ? known : Image::gone;
}

bool Target::bound_image_has_cookie() const noexcept {
    const int fd = mem_.load(std::memory_order_acquire);
    return fd < 0 || cookie_.shown_by(fd);  // hardly a program unmaps the end of its own stack
}

Target::Image Target::image_by_mem() const noexcept {
    const int fd = mem_.load(std::memory_order_acquire);
    if (fd < 0) return Image::unknown;
    // Address 0 is hardly ever mapped: a live image answers EIO (or one byte), a dead one 0 bytes.
    char byte = 0;
    const ssize_t got = ::pread(fd, &byte, 1, 0);
    return got == 0 ? Image::gone : Image::same;
}

os::Fd Target::open_mem() const noexcept {
    os::Fd opened = open_in_proc("mem", O_RDWR);
    if (!opened && errno == EROFS) opened = open_in_proc("mem", O_RDONLY);
    return opened;
}

int Target::mem() const noexcept {
    const int fd = mem_.load(std::memory_order_acquire);
    if (fd != -1) return fd;
    os::Fd opened = open_mem();
    // The right has come later than the handle; the image may be another by now.
    if (opened && cookie_.known() && !cookie_.shown_by(opened.get())) {
        errno = ESRCH;
        return -1;
    }
    return keep(mem_, std::move(opened));
}

int Target::mem_permitted_now(bool for_writing) const noexcept {
    if (open_in_proc("mem", for_writing ? O_RDWR : O_RDONLY)) return 0;
    return errno == EROFS ? EPERM : errno;
}

int Target::maps() const noexcept {
    const int fd = maps_.load(std::memory_order_acquire);
    if (fd != -1) return fd;
    os::Fd opened = open_in_proc("maps", O_RDONLY);
    // Opened on the image that mem is bound to: an image once gone does not come back.
    if (!opened) return -1;
    if (image() != Image::same) {
        errno = ESRCH;
        return -1;
    }
    return keep(maps_, std::move(opened));
}

int Target::probe() const noexcept {
    // A good local byte to an address of the kernel's half: EFAULT only once everything else,
    // the right too, was found in order. In a 32-bit caller the address may exist in a 64-bit
    // target: then a byte is read into `scratch`, and the answer is the same.
    char scratch = 0;
    const iovec local{&scratch, 1};
    const iovec remote{reinterpret_cast<void*>(~std::uintptr_t{0} - 4095), 1};
    if (::process_vm_readv(pid_, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT) return 0;
    const int error = errno;
    if (error == ESRCH) return ended() ? ESRCH : no_memory;
    char source = 0;
    const iovec good{&source, 1};
    if (::process_vm_readv(::getpid(), &local, 1, &good, 1, 0) != 1) return ENOSYS;  // a filter
    return error;
}

os::Fd Target::open_in_proc(const char* name, int flags) const noexcept {
    const os::NoCancel no_cancel;
    if (mem_.load(std::memory_order_relaxed) == no_proc) {
        errno = ENOENT;
        return os::Fd{};
    }
    std::array<char, 64> path{};
    std::snprintf(path.data(), path.size(), "/proc/%d/%s", pid_ < 0 ? 0 : pid_, name);
    os::Fd opened = open_of_image(path.data(), flags);
    int error = opened ? 0 : errno;
    if (error == ESRCH && !ended()) {
        // The first thread has ended and its /proc entry lost its memory; any other has it still.
        std::snprintf(path.data(), path.size(), "/proc/%d/task", pid_);
        if (DIR* tasks = ::opendir(path.data())) {
            while (const dirent* entry = ::readdir(tasks)) {
                if (entry->d_name[0] == '.') continue;
                std::array<char, 320> file{};
                std::snprintf(file.data(), file.size(), "/proc/%d/task/%s/%s", pid_, entry->d_name,
                              name);
                opened = open_of_image(file.data(), flags);
                if (opened) break;
                // A refusal says more than "no memory", which at least the first thread answers.
                if (errno != ESRCH && errno != ENOENT) error = errno;
            }
            ::closedir(tasks);
        }
    }
    // Not ended after the open: until then the number, and so the path, meant our target.
    if (ended()) {
        opened = os::Fd{};
        error = ESRCH;
    }
    if (!opened) errno = error;
    return opened;
}

int Target::keep(std::atomic<int>& slot, os::Fd opened) const noexcept {
    if (!opened) return -1;
    int kept = -1;
    if (slot.compare_exchange_strong(kept, opened.get(), std::memory_order_acq_rel)) {
        kept = opened.get();
        (void)opened.release();
    }
    return kept;  // if another thread was first, its descriptor is kept and ours closes here
}

}  // namespace onecopy::attach
