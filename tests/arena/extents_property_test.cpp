// The bookkeeping of free pages against a model with a mark for every page.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "arena/extents.hpp"

namespace onecopy::arena {
namespace {

constexpr std::uint64_t size = 200;

/// One mark a page.
struct Model {
    std::vector<bool> free = std::vector<bool>(size, true);

    [[nodiscard]] bool all_free(Extent run) const {
        return std::all_of(free.begin() + static_cast<long>(run.first),
                           free.begin() + static_cast<long>(run.first + run.pages),
                           [](bool page) { return page; });
    }
    void set(Extent run, bool to) {
        std::fill_n(free.begin() + static_cast<long>(run.first), run.pages, to);
    }
    /// The runs of free pages: first page and length.
    [[nodiscard]] std::map<std::uint64_t, std::uint64_t> runs() const {
        std::map<std::uint64_t, std::uint64_t> found;
        for (std::uint64_t at = 0; at < size; ++at) {
            if (!free[at]) continue;
            const std::uint64_t first = at;
            while (at < size && free[at]) ++at;
            found.emplace(first, at - first);
        }
        return found;
    }
    [[nodiscard]] bool has_room(std::uint64_t pages, std::uint64_t alignment) const {
        for (std::uint64_t at = 0; at + pages <= size; at += alignment) {
            if (all_free({at, pages})) return true;
        }
        return false;
    }
};

RC_GTEST_PROP(Extents, AgreeWithAModel, ()) {
    Extents extents(size);
    Model model;
    std::vector<Extent> taken;
    for (int step = 0; step < 60; ++step) {
        if (!taken.empty() && *rc::gen::inRange(0, 2) == 0) {
            const auto index = *rc::gen::inRange<std::size_t>(0, taken.size());
            // Wholly, or its end.
            Extent run = taken[index];
            const auto keep = *rc::gen::inRange<std::uint64_t>(0, run.pages);
            const Extent back{run.first + keep, run.pages - keep};
            extents.give(back);
            model.set(back, true);
            taken[index].pages = keep;
            if (keep == 0) taken.erase(taken.begin() + static_cast<long>(index));
        } else if (*rc::gen::inRange(0, 4) == 0) {
            const auto first = *rc::gen::inRange<std::uint64_t>(0, size);
            const Extent wanted{first, *rc::gen::inRange<std::uint64_t>(1, size - first + 1)};
            RC_ASSERT(extents.take_at(wanted) == model.all_free(wanted));
            if (model.all_free(wanted)) {
                model.set(wanted, false);
                taken.push_back(wanted);
            }
        } else {
            const auto pages = *rc::gen::inRange<std::uint64_t>(1, 40);
            const auto alignment = std::uint64_t{1} << *rc::gen::inRange(0, 6);
            const auto runs = model.runs();
            const auto first = extents.take(pages, alignment);
            if (!first) {
                // A few aligned places may be overlooked, but never a run that surely has one.
                for (const auto& run : runs) RC_ASSERT(run.second < pages + alignment - 1);
                RC_ASSERT(alignment > 1 || !model.has_room(pages, 1));
                continue;
            }
            const Extent run{*first, pages};
            RC_ASSERT(run.first % alignment == 0);
            RC_ASSERT(run.first + pages <= size);
            RC_ASSERT(model.all_free(run));
            if (alignment == 1) {  // best fit, the lowest of the shortest
                std::optional<std::pair<std::uint64_t, std::uint64_t>> best;
                for (const auto& [at, length] : runs) {
                    if (length >= pages && (!best || length < best->second)) best = {at, length};
                }
                RC_ASSERT(best && best->first == run.first);
            }
            model.set(run, false);
            taken.push_back(run);
        }
        RC_ASSERT(extents.free_pages() == static_cast<std::uint64_t>(std::count(
                                              model.free.begin(), model.free.end(), true)));
        RC_ASSERT(extents.runs() == model.runs().size());  // neighbours are joined
    }
}

RC_GTEST_PROP(KeptPages, AgreeWithAModel, ()) {
    KeptPages kept;
    std::vector<std::uint64_t> since(size, 0);  // 0: not kept
    const auto count = [&] {
        return static_cast<std::uint64_t>(
            std::count_if(since.begin(), since.end(), [](std::uint64_t s) { return s != 0; }));
    };
    for (std::uint64_t now = 1; now < 60; ++now) {
        const auto first = *rc::gen::inRange<std::uint64_t>(0, size);
        const Extent run{first, *rc::gen::inRange<std::uint64_t>(
                                    1, std::min<std::uint64_t>(size - first + 1, 50))};
        const auto begin = since.begin() + static_cast<long>(run.first);
        switch (*rc::gen::inRange(0, 4)) {
            case 0: {
                const auto expected = static_cast<std::uint64_t>(std::count_if(
                    begin, begin + static_cast<long>(run.pages), [](auto s) { return s != 0; }));
                RC_ASSERT(kept.forget(run) == expected);
                std::fill_n(begin, run.pages, 0);
                break;
            }
            case 1: {
                const auto limit = *rc::gen::inRange<std::uint64_t>(0, now + 1);
                const auto most = *rc::gen::inRange<std::uint64_t>(0, size);
                std::uint64_t oldest = 0;
                for (const auto s : since) {
                    if (s != 0 && (oldest == 0 || s < oldest)) oldest = s;
                }
                const auto stale = kept.take_stale(limit, most);
                RC_ASSERT(stale.has_value() == (oldest != 0 && (oldest < limit || count() > most)));
                if (!stale) break;
                for (std::uint64_t page = stale->first; page < stale->first + stale->pages;
                     ++page) {
                    RC_ASSERT(since[page] == oldest);
                    since[page] = 0;
                }
                break;
            }
            default:
                kept.keep(run, now);
                std::fill_n(begin, run.pages, now);
        }
        RC_ASSERT(kept.pages() == count());
    }
}

}  // namespace
}  // namespace onecopy::arena
