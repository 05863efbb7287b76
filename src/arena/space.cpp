#include "arena/space.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>

#include "arena/forks.hpp"
#include "os/coarse_clock.hpp"
#include "os/huge_pages.hpp"
#include "os/sealed_memfd.hpp"

namespace onecopy::arena {
namespace {

/// What a look at the limits is good for: so much fresh memory, or an eighth of what is left, for
/// so long. Small enough that a few processes which look at the same moment do not pass the limit
/// together, large enough that looking costs nothing beside touching the pages.
constexpr std::uint64_t most_credit_bytes = std::uint64_t{64} << 20;
constexpr std::uint64_t credit_ms = 50;

/// Left to the others: a limit that is reached to the byte kills.
constexpr std::uint64_t margin_bytes = std::uint64_t{4} << 20;

/// Kept of freed blocks at the most: this part of the memory that was left at the start.
constexpr std::uint64_t kept_share = 16;

/// Core dumps hold or leave out the arena in chunks of this size, so that handing out and freeing
/// rarely changes the kernel's list of mappings.
constexpr std::size_t chunk_bytes = std::size_t{4} << 20;

std::size_t page_size() noexcept { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

std::size_t limit_of(decltype(RLIMIT_AS) resource) noexcept {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
    return static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, SIZE_MAX));
}

/// A capacity for who asked for none.
std::size_t usual_capacity() noexcept {
    const auto memory = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) * page_size();
    const std::size_t room = std::numeric_limits<std::size_t>::max() / 16;  // 256 MiB of 4 GiB
    return std::min(
        {memory, room, limit_of(RLIMIT_AS) / 4, limit_of(RLIMIT_FSIZE) - header_bytes()});
}

ArenaOptions complete(ArenaOptions options) {
    const std::size_t page = page_size();
    if (options.capacity_bytes == 0) options.capacity_bytes = usual_capacity();
    if (options.capacity_bytes > SIZE_MAX / 2 - os::huge_page_bytes - page) {
        throw std::system_error(ENOMEM, std::system_category(), "onecopy: an arena of that size");
    }
    options.capacity_bytes = std::max((options.capacity_bytes + page - 1) / page * page, page);
    return options;
}

/// Maps the file at a multiple of the huge page, so that an offset's alignment is its address's.
os::Mapping map(const os::Fd& file, std::size_t bytes) {
    os::Mapping mapped = os::Mapping::aligned(bytes, os::huge_page_bytes, PROT_READ | PROT_WRITE,
                                              MAP_SHARED | MAP_NORESERVE, file.get());
    if (!mapped) throw std::system_error(errno, std::system_category(), "onecopy: map an arena");
    ::madvise(mapped.data(), bytes, MADV_DONTDUMP);
    ::madvise(mapped.data(), bytes, MADV_HUGEPAGE);  // where shmem_enabled is "advise"
    return mapped;
}

}  // namespace

Space::Space(const ArenaOptions& options)
    : page_(page_size()),
      options_(complete(options)),
      file_(os::make_sealed_memfd("onecopy-arena", options_.capacity_bytes + header_bytes())),
      memory_(map(file_, options_.capacity_bytes)),
      good_(std::in_place, memory_.bytes()),
      presence_(file_, reinterpret_cast<std::uintptr_t>(memory_.data()), options_.capacity_bytes),
      free_(options_.capacity_bytes / page_),
      in_use_((options_.capacity_bytes + chunk_bytes - 1) / chunk_bytes),
      may_be_huge_(os::shared_memory_may_be_huge()) {
    struct stat facts {};
    if (::fstat(file_.get(), &facts) == 0) {
        file_device_ = facts.st_dev;
        file_number_ = facts.st_ino;
    }
    // In a small memory cgroup others need what we would keep.
    options_.kept_bytes = static_cast<std::size_t>(
        std::min<std::uint64_t>(options_.kept_bytes, headroom_.ask().bytes / kept_share));
    enter_forks(*this);
}

Space::~Space() {
    leave_forks(*this);
    if (file_ && !file_bytes()) (void)file_.release();  // it is another file's now
}

std::optional<std::uint64_t> Space::file_bytes() const noexcept {
    struct stat facts {};
    if (!file_ || ::fstat(file_.get(), &facts) != 0 || facts.st_ino != file_number_ ||
        facts.st_dev != file_device_) {
        return {};
    }
    return static_cast<std::uint64_t>(facts.st_blocks) * 512;
}

std::uint64_t Space::resident_bytes() const noexcept {
    const auto found = file_bytes();
    if (!found) return handed_out_pages_ * page_;  // as if all were touched
    const std::uint64_t bytes = *found;
    return bytes - std::min<std::uint64_t>(bytes, header_bytes());
}

bool Space::affordable(std::uint64_t fresh_bytes) {
    const std::uint64_t now = os::coarse_ms();
    if (fresh_bytes <= credit_bytes_ && now < credit_until_ms_) {
        credit_bytes_ -= fresh_bytes;
        return true;
    }
    const auto look = [&] {
        // Blocks that were handed out and not touched yet will be.
        const std::uint64_t promised = private_ ? 0 : (handed_out_pages_ + kept_.pages()) * page_;
        const std::uint64_t resident = resident_bytes();
        const std::uint64_t owed = promised > resident ? promised - resident : 0;
        const std::uint64_t left = headroom_.ask().bytes;
        const std::uint64_t taken = owed + margin_bytes;
        return left > taken ? left - taken : 0;
    };
    std::uint64_t left = look();
    if (fresh_bytes > left && kept_.pages() > 0) {
        return_stale(std::numeric_limits<std::uint64_t>::max(), 0);
        left = look();
    }
    if (fresh_bytes > left) {
        credit_bytes_ = 0;
        return false;
    }
    credit_bytes_ = std::min(most_credit_bytes, (left - fresh_bytes) / 8);
    credit_until_ms_ = now + credit_ms;
    return true;
}

void* Space::allocate(std::size_t bytes, std::size_t alignment, bool zero) noexcept {
    const std::uint64_t pages = std::max<std::uint64_t>(pages_of(bytes), 1);
    const std::uint64_t step = std::max<std::uint64_t>(alignment / page_, 1);
    if (bytes > memory_.size() || step > memory_.size() / page_) return nullptr;
    std::unique_lock guard(lock_);
    try {
        return_stale(stale_before(), options_.kept_bytes / page_);
        const auto first = take(pages, step);
        if (!first) return nullptr;
        const Extent run{*first, pages};
        // Only these hold anything: to clear the rest would be to touch it.
        const std::vector<Extent> dirty = zero ? kept_.parts_of(run) : std::vector<Extent>();
        const std::uint64_t warm = kept_.forget(run);
        if (warm < pages && !affordable((pages - warm) * page_)) {
            free_.give(run);
            drop(run);
            return nullptr;
        }
        if (!usable_in_child(run)) {
            free_.give(run);
            return nullptr;
        }
        hand_out(run);
        guard.unlock();
        for (const Extent& part : dirty) {
            std::memset(address_of(part.first), 0, static_cast<std::size_t>(part.pages * page_));
        }
        return address_of(run.first);
    } catch (const std::bad_alloc&) {
        return nullptr;  // no memory for the bookkeeping
    }
}

std::optional<std::uint64_t> Space::take(std::uint64_t pages, std::uint64_t step) {
    if (step * page_ <= os::huge_page_bytes) return free_.take(pages, step);
    // The mapping itself stands at no such multiple: take more, and give back what is too much.
    const auto first = free_.take(pages + step);
    if (!first) return {};
    const auto base = reinterpret_cast<std::uintptr_t>(address_of(*first));
    const auto mask = static_cast<std::uintptr_t>(step * page_ - 1);
    const std::uint64_t skip = (((base + mask) & ~mask) - base) / page_;
    free_.give({*first, skip});
    free_.give({*first + skip + pages, step - skip});
    return *first + skip;
}

/// A run that is free again, and of which nobody knows any more what was kept.
void Space::drop(Extent run) {
    if (may_be_huge_ || private_) {
        kept_.keep(run, os::coarse_ms());
    } else {
        give_back(run);
    }
}

void Space::hand_out(Extent run) {
    presence_.renew();
    handed_out_pages_ += run.pages;
    count_for_dumps(run, true);
}

void Space::free(void* block, std::size_t bytes) noexcept {
    const Extent run{page_of(block), std::max<std::uint64_t>(pages_of(bytes), 1)};
    const std::lock_guard guard(lock_);
    take_back(run);
    return_stale(stale_before(), options_.kept_bytes / page_);
}

void Space::take_back(Extent run) noexcept {
    handed_out_pages_ -= run.pages;
    count_for_dumps(run, false);
    try {
        free_.give(run);
        kept_.keep(run, os::coarse_ms());
    } catch (const std::bad_alloc&) {
        // No memory for the bookkeeping: its pages are lost to the arena, their memory is not.
        if (!may_be_huge_ && !private_) give_back(run);
    }
}

bool Space::resize(void* block, std::size_t old_bytes, std::size_t new_bytes) noexcept {
    const std::uint64_t first = page_of(block);
    const std::uint64_t before = std::max<std::uint64_t>(pages_of(old_bytes), 1);
    const std::uint64_t after = std::max<std::uint64_t>(pages_of(new_bytes), 1);
    if (after == before) return true;
    const std::lock_guard guard(lock_);
    if (after < before) {
        take_back({first + after, before - after});
        return true;
    }
    const Extent more{first + before, after - before};
    if (more.first + more.pages > memory_.size() / page_) return false;
    try {
        if (!free_.take_at(more)) return false;
        const std::uint64_t warm = kept_.forget(more);
        if (warm < more.pages && !affordable((more.pages - warm) * page_)) {
            free_.give(more);
            drop(more);
            return false;
        }
        if (!usable_in_child(more)) {
            free_.give(more);
            return false;
        }
        hand_out(more);
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

std::uint64_t Space::stale_before() const noexcept {
    const std::uint64_t now = os::coarse_ms();
    const auto age =
        static_cast<std::uint64_t>(std::max<std::int64_t>(options_.kept_for.count(), 0));
    return now > age ? now - age : 0;
}

void Space::give_back(Extent run) const noexcept {
    if (private_) {
        (void)map_private(run, all_usable_);
        return;
    }
    // By libc's madvise, as a program would: whoever watches memory for a network card sees it.
    ::madvise(address_of(run.first), static_cast<std::size_t>(run.pages * page_), MADV_REMOVE);
}

/// As give_back(), also where the program has protected the pages, which older kernels mind.
int Space::punch(Extent run) const noexcept {
    const auto bytes = static_cast<std::size_t>(run.pages * page_);
    if (::madvise(address_of(run.first), bytes, MADV_REMOVE) == 0) return 0;
    if (errno != EACCES || !file_bytes()) return errno;
    return ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       static_cast<off_t>(run.first * page_), static_cast<off_t>(bytes)) == 0
               ? 0
               : errno;
}

bool Space::clear(Extent run) const noexcept {
    constexpr std::array<std::byte, 4096> zeros{};
    const auto end = static_cast<off_t>((run.first + run.pages) * page_);
    auto at = static_cast<off_t>(run.first * page_);
    while (at < end) {
        if (::pwrite(file_.get(), zeros.data(), zeros.size(), at) !=
            static_cast<ssize_t>(zeros.size())) {
            return false;
        }
        at += static_cast<off_t>(zeros.size());
    }
    return true;
}

int Space::discard(void* address, std::size_t bytes) noexcept {
    wait_for_our_parent();  // it copies what is mapped here
    const Extent run{page_of(address), pages_of(bytes)};
    const std::lock_guard guard(lock_);
    if (private_) return map_private(run, true) ? 0 : errno;
    if (!may_be_huge_) return punch(run);
    const std::uint64_t step = os::huge_page_bytes / page_;
    const std::uint64_t end = run.first + run.pages;
    for (std::uint64_t at = run.first; at < end;) {
        const std::uint64_t next = std::min(end, (at / step + 1) * step);
        const Extent part{at, next - at};
        // Through the file: the program may have protected the pages.
        const bool cleared = part.pages < step && file_bytes() && clear(part);
        const int error = cleared ? 0 : punch(part);
        if (error != 0) return error;
        at = next;
    }
    return 0;
}

bool Space::is_free(Extent run) const {
    bool free = true;
    free_.each_taken(run, [&](Extent /*taken*/) { free = false; });
    return free;
}

/// Wrong reads were reported of large pages that were punched in part while others read them, so
/// what may be huge goes as a whole, once nothing in it is in use. What cannot go yet is `left`.
std::uint64_t Space::give_back_whole(Extent run, std::vector<Extent>& left) {
    const std::uint64_t step = os::huge_page_bytes / page_;
    const std::uint64_t end = run.first + run.pages;
    std::uint64_t pages = 0;
    for (std::uint64_t at = run.first; at < end;) {
        const std::uint64_t first = at / step * step;
        const Extent whole{first, std::min(step, memory_.size() / page_ - first)};
        const Extent part{at, std::min(end, first + whole.pages) - at};
        if (is_free(whole)) {
            pages += part.pages + kept_.forget(whole);
            give_back(whole);
        } else {
            left.push_back(part);
        }
        at = part.first + part.pages;
    }
    return pages;
}

std::uint64_t Space::return_stale(std::uint64_t since, std::uint64_t most_pages) noexcept {
    if (private_ && our_parent_is_held()) return 0;  // it copies what is mapped there
    std::uint64_t pages = 0;
    try {
        std::vector<Extent> left;
        while (const auto run = kept_.take_stale(since, most_pages)) {
            if (may_be_huge_) {
                pages += give_back_whole(*run, left);
            } else {
                give_back(*run);
                pages += run->pages;
            }
        }
        for (const Extent& each : left) kept_.keep(each, os::coarse_ms());
    } catch (const std::bad_alloc&) {
    }
    return pages;
}

void Space::count_for_dumps(Extent run, bool more) noexcept {
    if (private_) return;  // private memory is dumped as all is
    const std::uint64_t chunk_pages = chunk_bytes / page_;
    const std::uint64_t end = run.first + run.pages;
    for (std::uint64_t page = run.first; page < end;) {
        const std::uint64_t chunk = page / chunk_pages;
        const std::uint64_t part = std::min(end, (chunk + 1) * chunk_pages) - page;
        std::uint32_t& count = in_use_[static_cast<std::size_t>(chunk)];
        const std::uint32_t before = count;
        count = static_cast<std::uint32_t>(more ? before + part : before - part);
        if ((before == 0) != (count == 0)) {
            const std::size_t from = static_cast<std::size_t>(chunk) * chunk_bytes;
            ::madvise(memory_.data() + from, std::min(chunk_bytes, memory_.size() - from),
                      count == 0 ? MADV_DONTDUMP : MADV_DODUMP);
        }
        page += part;
    }
}

int Space::make_huge(void* block, std::size_t bytes) noexcept {
    const std::lock_guard guard(lock_);
    if (private_) return EINVAL;
    may_be_huge_ = true;
    return os::make_huge(block, bytes);
}

std::size_t Space::trim() noexcept {
    const std::lock_guard guard(lock_);
    return static_cast<std::size_t>(return_stale(UINT64_MAX, 0) * page_);
}

ArenaUsage Space::usage() const noexcept {
    const std::lock_guard guard(lock_);
    return {memory_.size(), static_cast<std::size_t>(handed_out_pages_ * page_),
            static_cast<std::size_t>(kept_.pages() * page_),
            static_cast<std::size_t>(resident_bytes())};
}

}  // namespace onecopy::arena
