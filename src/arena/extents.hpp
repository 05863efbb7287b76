// Which pages of an arena are free.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace onecopy::arena {

/// A run of pages, by number.
struct Extent {
    std::uint64_t first = 0;
    std::uint64_t pages = 0;
    friend bool operator==(const Extent&, const Extent&) = default;
};

/// The free runs of [0, pages), neighbours always joined. Best fit: the shortest run that is long
/// enough, the lowest of those; so holes are filled before untouched pages at the end are taken.
/// Each operation is logarithmic in the number of runs. Not for several threads at once; allocates.
class Extents {
public:
    explicit Extents(std::uint64_t pages) { give({0, pages}); }

    /// The first page of a run of `pages` (not 0) that starts at a multiple of `alignment` (a power
    /// of two), now taken. Empty if there is none.
    std::optional<std::uint64_t> take(std::uint64_t pages, std::uint64_t alignment = 1);

    /// Takes exactly this run; false, and nothing changes, if it is not all free.
    bool take_at(Extent wanted);

    /// Makes a taken run free again.
    void give(Extent returned);

    /// Calls `act(Extent)` for each taken run within `whole`, from low to high. Does not allocate.
    template <class Act>
    void each_taken(Extent whole, const Act& act) const {
        const std::uint64_t end = whole.first + whole.pages;
        std::uint64_t at = whole.first;
        auto next = by_place_.upper_bound(at);
        if (next != by_place_.begin()) --next;
        for (; at < end && next != by_place_.end() && next->first < end; ++next) {
            if (next->first > at) act(Extent{at, next->first - at});
            at = std::max(at, next->first + next->second);
        }
        if (at < end) act(Extent{at, end - at});
    }

    [[nodiscard]] std::uint64_t free_pages() const noexcept { return free_pages_; }
    [[nodiscard]] std::size_t runs() const noexcept { return by_place_.size(); }

private:
    using Places = std::map<std::uint64_t, std::uint64_t>;  // first page -> pages
    void remove(Places::iterator run);
    void insert(Extent run);
    void carve(Places::iterator run, Extent wanted);

    Places by_place_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> by_length_;  // pages, first page
    std::uint64_t free_pages_ = 0;
};

/// The free pages that still hold memory, since when: so that they can be used again while they are
/// warm, and returned to the system when they have been left alone.
class KeptPages {
public:
    /// `run` is free since `now`. Time goes up from call to call.
    void keep(Extent run, std::uint64_t now);

    /// `run` is in use again, or given back: it is kept no longer. Returns how many of its pages
    /// were.
    std::uint64_t forget(Extent run);

    /// The parts of `run` that are kept.
    [[nodiscard]] std::vector<Extent> parts_of(Extent run) const;

    /// Takes out one run that has been kept since before `since`, or, while more than `most` pages
    /// are kept, the one that was kept longest. Empty if there is none.
    std::optional<Extent> take_stale(std::uint64_t since, std::uint64_t most);

    [[nodiscard]] std::uint64_t pages() const noexcept { return pages_; }

    void clear() noexcept {
        by_place_.clear();
        by_age_.clear();
        pages_ = 0;
    }

private:
    struct Kept {
        std::uint64_t pages, since;
    };
    using Places = std::map<std::uint64_t, Kept>;
    Places::iterator remove(Places::iterator run);
    void insert(Extent run, std::uint64_t since);

    Places by_place_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> by_age_;  // since, first page
    std::uint64_t pages_ = 0;
};

}  // namespace onecopy::arena
