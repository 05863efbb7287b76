#include "attach/target.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "os/maps.hpp"

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
    self_ = pid == ::getpid();
    if (!proc_usable) {
        mem_.store(no_proc, std::memory_order_relaxed);
        return 0;
    }
    os::Fd opened = open_in_proc("mem", O_RDWR);
    if (!opened && (errno == EMFILE || errno == ENFILE)) return errno;
    keep(mem_, std::move(opened));
    return 0;
}

Target::~Target() {
    for (const auto* slot : {&mem_, &maps_}) {
        if (const int fd = slot->load(std::memory_order_relaxed); fd >= 0) ::close(fd);
    }
}

bool Target::ended_by_watch() const noexcept {
    // A flag costs some 25 us and 20 KiB of the kernel's memory: for those that are asked often.
    constexpr std::uint32_t often = 32;
    if (!watch_) return ended_without_watch();
    epoll_event event{};
    if (::epoll_wait(watch_.get(), &event, 1, 0) > 0) return true;
    if (asked_.load(std::memory_order_relaxed) < often &&
        asked_.fetch_add(1, std::memory_order_relaxed) == often - 1) {
        flag_.arm(pidfd_.get());
    }
    return false;
}

bool Target::ended_without_watch() const noexcept {
    if (pidfd_) {
        // An interrupted or otherwise failed poll does not prove an end: ask again.
        pollfd waiting{pidfd_.get(), POLLIN, 0};
        int ready = 0;
        do {
            ready = ::poll(&waiting, 1, 0);
        } while (ready < 0 && (errno == EINTR || errno == EAGAIN));
        return ready > 0;
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
    if (const int list = maps_.load(std::memory_order_acquire); list >= 0) {
        const int gone = os::image_behind(list);
        if (gone != ENOTTY) return gone == 0 ? Image::same : Image::gone;
        return image_by_mem();
    }
    const Image answer = image_by_mem();
    if (answer == Image::same && !maps_tried_.exchange(true, std::memory_order_relaxed)) {
        (void)maps();  // for the next time
    }
    return answer;
}

Target::Image Target::image_by_mem() const noexcept {
    const int fd = mem_.load(std::memory_order_acquire);
    if (fd < 0) return Image::unknown;
    // Address 0 is hardly ever mapped: a live image answers EIO (or one byte), a dead one 0 bytes.
    char byte = 0;
    const ssize_t got = ::pread(fd, &byte, 1, 0);
    return got == 0 ? Image::gone : Image::same;
}

bool Target::has_memory() const noexcept {
    const Image known = image();
    if (known != Image::unknown) return known == Image::same;
    // No descriptor to ask (the right to open one needs more than the right to read). A process
    // that is about to end has already lost its memory, and so answers the probe otherwise.
    const int right = probe();
    return right == 0 || right == EPERM;
}

int Target::mem() const noexcept {
    const int fd = mem_.load(std::memory_order_acquire);
    return fd != -1 ? fd : keep(mem_, open_in_proc("mem", O_RDWR));
}

int Target::mem_permitted_now() const noexcept { return open_in_proc("mem", O_RDWR) ? 0 : errno; }

int Target::maps() const noexcept {
    const int fd = maps_.load(std::memory_order_acquire);
    if (fd != -1) return fd;
    os::Fd opened = open_in_proc("maps", O_RDONLY);
    // Opened on the image that mem is bound to: an image once gone does not come back.
    if (!opened) return -1;
    if (image_by_mem() != Image::same) {
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
