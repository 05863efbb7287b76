// What becomes of an arena's pages in a fork.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "arena/forks.hpp"
#include "arena/space.hpp"

namespace onecopy::arena {
namespace {

/// So much memory is there twice while pages are copied.
constexpr std::size_t chunk_bytes = std::size_t{2} << 20;

/// More runs than this are not mapped one by one: a process may have 65530 mappings.
constexpr std::size_t most_mappings = 10000;

}  // namespace

std::size_t Space::list_for_fork() noexcept {
    // A child's pages are private memory, and copied as such.
    if (private_) return 0;
    listed_.clear();
    by_hand_ = !file_bytes();
    listed_all_ = true;
    if (by_hand_) {
        free_.each_taken({0, memory_.size() / page_}, [&](Extent run) {
            listed_all_ = listed_.add(range_of(run)) && listed_all_;
        });
    } else {
        listed_all_ = list_data(listed_);
    }
    std::size_t bytes = 0;
    for (const Range& range : listed_.all()) bytes += range.bytes();
    return bytes;
}

bool Space::list_data(Ranges& into) const noexcept {
    bool all = true;
    free_.each_taken({0, memory_.size() / page_}, [&](Extent run) {
        const auto end = static_cast<off_t>((run.first + run.pages) * page_);
        for (auto at = static_cast<off_t>(run.first * page_); at < end;) {
            const off_t data = ::lseek(file_.get(), at, SEEK_DATA);
            if (data < 0 || data >= end) break;
            const off_t hole = std::min(::lseek(file_.get(), data, SEEK_HOLE), end);
            if (hole <= data) break;
            const auto begin = reinterpret_cast<std::uintptr_t>(memory_.data()) +
                               static_cast<std::uintptr_t>(data);
            all = into.add({begin, begin + static_cast<std::uintptr_t>(hole - data)}) && all;
            at = hole;
        }
    });
    return all;
}

bool Space::copies_by_hand() const noexcept {
    return !private_ && (by_hand_ || listed_.all().size() > most_mappings);
}

bool Space::hold_writes() noexcept {
    if (private_ || listed_.all().empty()) return true;
    const auto begin = reinterpret_cast<std::uintptr_t>(memory_.data());
    return hold_.arm({begin, begin + memory_.size()}, listed_.all());
}

bool Space::map_private(Extent run, bool usable) const noexcept {
    const int protection = usable ? PROT_READ | PROT_WRITE : PROT_NONE;
    return ::mmap(address_of(run.first), static_cast<std::size_t>(run.pages * page_), protection,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/// Makes a run usable that was free, in a child whose free runs are not.
bool Space::usable_in_child(Extent run) const noexcept {
    if (!private_ || all_usable_) return true;
    wait_for_our_parent();
    return map_private(run, true);
}

bool Space::become_private() noexcept {
    hold_.abandon();
    if (private_) return true;
    const bool copy_all = copies_by_hand();
    private_ = true;
    may_be_huge_ = false;
    good_.reset();
    const Extent whole{0, memory_.size() / page_};
    bool good = listed_all_;
    if (copy_all) {
        // From the pages themselves, into one mapping; the parent waits for us.
        os::Mapping copy(memory_.size(), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
        good = good && copy;
        const auto base = reinterpret_cast<std::uintptr_t>(memory_.data());
        for (const Range& range : listed_.all()) {
            if (good) std::memcpy(copy.data() + (range.begin - base), range.data(), range.bytes());
        }
        good = good && ::mremap(copy.data(), copy.size(), copy.size(),
                                MREMAP_MAYMOVE | MREMAP_FIXED, memory_.data()) != MAP_FAILED;
        (void)copy.release();
        if (by_hand_) (void)file_.release();
        listed_.clear();
    } else {
        // All of it, unless the kernel counts what could be written (vm.overcommit_memory = 2).
        all_usable_ = map_private(whole, true);
        if (!all_usable_) {
            good = good && map_private(whole, false);
            free_.each_taken(whole, [&](Extent run) { good = good && map_private(run, true); });
        }
        for (const Range& range : listed_.all()) {
            const auto offset =
                static_cast<off_t>(range.begin - reinterpret_cast<std::uintptr_t>(memory_.data()));
            good = good && ::mmap(range.data(), range.bytes(), PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, file_.get(),
                                  offset) != MAP_FAILED;
        }
    }
    file_ = os::Fd{};
    presence_.abandon();
    kept_.clear();
    credit_bytes_ = 0;
    return good;
}

bool Space::replace(Range range) const noexcept {
    bool all = true;
    for (std::uintptr_t at = range.begin; at < range.end; at += chunk_bytes) {
        const std::size_t bytes = std::min<std::size_t>(range.end - at, chunk_bytes);
        auto* const place = reinterpret_cast<std::byte*>(at);
        // What the child has protected or unmapped stays as it is.
        if (os::accessible(place, bytes, os::Touch::write) < bytes) {
            all = false;
            continue;
        }
        os::Mapping copy(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
        if (!copy) return false;
        std::memcpy(copy.data(), place, bytes);
        if (::mremap(copy.data(), bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place) ==
            MAP_FAILED) {
            return false;
        }
        (void)copy.release();
    }
    return all;
}

bool Space::settle() noexcept {
    if (!private_) return true;
    const auto base = reinterpret_cast<std::uintptr_t>(memory_.data());
    bool all = true;
    return_stale(UINT64_MAX, 0);  // what was freed since is still of the file while it is kept
    for (const Range& listed : listed_.all()) {
        const Extent pages{(listed.begin - base) / page_, listed.bytes() / page_};
        // What was handed out again may be of the file no more: then it is copied needlessly.
        free_.each_taken(pages, [&](Extent run) { all = replace(range_of(run)) && all; });
    }
    if (all) listed_.clear();
    return all;
}

}  // namespace onecopy::arena
