#include "arena/extents.hpp"

#include <algorithm>

namespace onecopy::arena {
namespace {

std::uint64_t aligned(std::uint64_t page, std::uint64_t alignment) noexcept {
    return (page + alignment - 1) & ~(alignment - 1);
}

}  // namespace

void Extents::insert(Extent run) {
    if (run.pages == 0) return;
    by_place_.emplace(run.first, run.pages);
    by_length_.emplace(run.pages, run.first);
    free_pages_ += run.pages;
}

void Extents::remove(Places::iterator run) {
    by_length_.erase({run->second, run->first});
    free_pages_ -= run->second;
    by_place_.erase(run);
}

void Extents::carve(Places::iterator run, Extent wanted) {
    const Extent whole{run->first, run->second};
    remove(run);
    insert({whole.first, wanted.first - whole.first});
    const std::uint64_t end = wanted.first + wanted.pages;
    insert({end, whole.first + whole.pages - end});
}

std::optional<std::uint64_t> Extents::take(std::uint64_t pages, std::uint64_t alignment) {
    // A run that is long enough may still be too short once its start is aligned. A few of those
    // are tried; then one is asked for that cannot be.
    constexpr int tries = 16;
    auto found = by_length_.lower_bound({pages, 0});
    for (int i = 0; i < tries && found != by_length_.end(); ++i, ++found) {
        const auto [length, first] = *found;
        const std::uint64_t at = aligned(first, alignment);
        if (at - first + pages > length) continue;
        carve(by_place_.find(first), {at, pages});
        return at;
    }
    found = by_length_.lower_bound({pages + alignment - 1, 0});
    if (found == by_length_.end()) return {};
    const std::uint64_t first = found->second;
    const std::uint64_t at = aligned(first, alignment);
    carve(by_place_.find(first), {at, pages});
    return at;
}

bool Extents::take_at(Extent wanted) {
    auto run = by_place_.upper_bound(wanted.first);
    if (run == by_place_.begin()) return false;
    --run;
    if (run->first + run->second < wanted.first + wanted.pages) return false;
    carve(run, wanted);
    return true;
}

void Extents::give(Extent returned) {
    if (returned.pages == 0) return;
    auto next = by_place_.lower_bound(returned.first);
    if (next != by_place_.begin()) {
        const auto before = std::prev(next);
        if (before->first + before->second == returned.first) {
            returned = {before->first, before->second + returned.pages};
            remove(before);
        }
    }
    if (next != by_place_.end() && returned.first + returned.pages == next->first) {
        returned.pages += next->second;
        remove(next);
    }
    insert(returned);
}

void KeptPages::insert(Extent run, std::uint64_t since) {
    if (run.pages == 0) return;
    by_place_.emplace(run.first, Kept{run.pages, since});
    by_age_.emplace(since, run.first);
    pages_ += run.pages;
}

KeptPages::Places::iterator KeptPages::remove(Places::iterator run) {
    by_age_.erase({run->second.since, run->first});
    pages_ -= run->second.pages;
    return by_place_.erase(run);
}

void KeptPages::keep(Extent run, std::uint64_t now) {
    forget(run);
    insert(run, now);
}

std::uint64_t KeptPages::forget(Extent run) {
    const std::uint64_t end = run.first + run.pages;
    std::uint64_t forgotten = 0;
    auto at = by_place_.upper_bound(run.first);
    if (at != by_place_.begin()) --at;
    while (at != by_place_.end() && at->first < end) {
        const Extent kept{at->first, at->second.pages};
        const std::uint64_t since = at->second.since;
        const std::uint64_t kept_end = kept.first + kept.pages;
        if (kept_end <= run.first) {
            ++at;
            continue;
        }
        at = remove(at);
        if (kept.first < run.first) insert({kept.first, run.first - kept.first}, since);
        if (kept_end > end) insert({end, kept_end - end}, since);
        forgotten += std::min(kept_end, end) - std::max(kept.first, run.first);
    }
    return forgotten;
}

std::vector<Extent> KeptPages::parts_of(Extent run) const {
    std::vector<Extent> parts;
    const std::uint64_t end = run.first + run.pages;
    auto at = by_place_.upper_bound(run.first);
    if (at != by_place_.begin()) --at;
    for (; at != by_place_.end() && at->first < end; ++at) {
        const std::uint64_t first = std::max(at->first, run.first);
        const std::uint64_t last = std::min(at->first + at->second.pages, end);
        if (first < last) parts.push_back({first, last - first});
    }
    return parts;
}

std::optional<Extent> KeptPages::take_stale(std::uint64_t since, std::uint64_t most) {
    if (by_age_.empty()) return {};
    const auto [oldest, first] = *by_age_.begin();
    if (oldest >= since && pages_ <= most) return {};
    const auto run = by_place_.find(first);
    const Extent found{first, run->second.pages};
    remove(run);
    return found;
}

}  // namespace onecopy::arena
