#include "arena/presence.hpp"

#include <sys/auxv.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

namespace onecopy::arena {
namespace {

constexpr std::uint64_t arena_magic = 0x3130'616e'6572'616f;  // changes with the header

/// Threads by a number of our own: pthread_t may mean another thread once one has ended.
std::uintptr_t this_thread() noexcept {
    static constinit std::atomic<std::uintptr_t> last{0};
    thread_local const std::uintptr_t number = last.fetch_add(1, std::memory_order_relaxed) + 1;
    return number;
}

/// Pages of arenas that were destroyed while another thread held their lifelines, and which that
/// thread's list of robust mutexes still runs through. They go as soon as their thread comes by, or
/// has ended; to be found again by any thread, they belong to the process.
struct Waiting {
    os::Mapping page;
    std::uintptr_t holder = 0;
};
std::mutex waiting_lock;
std::vector<Waiting>& waiting() {
    static auto* const pages = new std::vector<Waiting>;  // threads may outlive static objects
    return *pages;
}

os::Lifeline& life_of(const os::Mapping& page) noexcept {
    return reinterpret_cast<Header*>(page.data())->life;
}

/// Whether the page is in no thread's list any more.
bool let_go(const os::Mapping& page, std::uintptr_t holder) noexcept {
    if (holder == 0) return true;
    os::Lifeline& life = life_of(page);
    if (holder != this_thread()) {
        if (life.held() || !life.hold()) return false;  // takes over from one that has ended
    }
    life.let_go();
    return true;
}

void sweep() noexcept {
    const std::lock_guard guard(waiting_lock);
    std::erase_if(waiting(), [](const Waiting& each) { return let_go(each.page, each.holder); });
}

os::Mapping map_header(const os::Fd& file, std::uint64_t capacity, int protection) {
    os::Mapping page(header_bytes(), protection, MAP_SHARED, file.get(),
                     static_cast<off_t>(capacity));
    if (!page) throw std::system_error(errno, std::system_category(), "onecopy: map an arena");
    ::madvise(page.data(), page.size(), MADV_DONTDUMP);
    return page;
}

}  // namespace

std::size_t header_bytes() noexcept { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

Presence::Presence(const os::Fd& file, std::uint64_t base, std::uint64_t capacity)
    : page_(map_header(file, capacity, PROT_READ | PROT_WRITE)) {
    sweep();
    Header& mine = header();
    mine.magic = arena_magic;
    mine.capacity = capacity;
    mine.base = base;
    if (const auto* random = reinterpret_cast<const std::byte*>(::getauxval(AT_RANDOM))) {
        std::memcpy(mine.program.data(), random, mine.program.size());
    }
    if (os::Lifeline::make_at(&mine.life) && mine.life.hold()) holder_ = this_thread();
}

Presence::~Presence() {
    sweep();
    if (!page_ || let_go(page_, holder_)) return;
    const std::lock_guard guard(waiting_lock);
    waiting().push_back({std::move(page_), holder_});
}

void Presence::renew() noexcept {
    if (page_ && holder_ != 0 && !header().life.held() && header().life.hold()) {
        holder_ = this_thread();
    }
}

void Presence::before_fork() noexcept { waiting_lock.lock(); }
void Presence::after_fork() noexcept { waiting_lock.unlock(); }

void Presence::abandon() noexcept {
    page_ = os::Mapping();
    waiting().clear();  // the fork has the lock
}

PeerPresence::PeerPresence(const os::Fd& file, std::uint64_t base, std::uint64_t capacity) {
    const auto refuse = [](const char* why) {
        throw std::system_error(EINVAL, std::system_category(), why);
    };
    if (capacity == 0) refuse("onecopy: attach to an arena: the file is no arena");
    page_ = map_header(file, capacity, PROT_READ);
    if (header().magic != arena_magic || header().capacity != capacity) {
        refuse("onecopy: attach to an arena: the file is no arena of this version");
    }
    if (base == 0 || header().base != base) {
        refuse("onecopy: attach to an arena: it does not begin at that address");
    }
}

}  // namespace onecopy::arena
