#include "arena/window_cache.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <new>
#include <system_error>

#include "os/huge_pages.hpp"

namespace onecopy::arena {
WindowCache::WindowCache(WindowLimits limits)
    : limits_(limits), window_shift_(static_cast<unsigned>(std::countr_zero(limits.window_bytes))) {
    if (!std::has_single_bit(limits.window_bytes) || limits.window_bytes < os::huge_page_bytes) {
        throw std::system_error(EINVAL, std::system_category(),
                                "onecopy: windows must be a power of two of at least 2 MiB");
    }
    limits_.windows = std::max<std::size_t>(limits_.windows, 1);
    enter_forks();
}

WindowCache::~WindowCache() { leave_forks(); }

void WindowCache::in_child() noexcept {
    windows_.clear();
    by_use_.clear();
    last_ = nullptr;
    lock_.unlock();
}

std::size_t WindowCache::mapped() const noexcept {
    const std::lock_guard guard(lock_);
    return windows_.size();
}

std::uint64_t WindowCache::enter() noexcept {
    const std::lock_guard guard(lock_);
    return ++last_arena_;
}

void WindowCache::leave(std::uint64_t arena) noexcept {
    const std::lock_guard guard(lock_);
    last_ = nullptr;
    auto at = windows_.lower_bound({arena, 0});
    while (at != windows_.end() && at->first.first == arena) {
        by_use_.erase(at->second.age);
        at = windows_.erase(at);
    }
}

void WindowCache::make_room() noexcept {
    // Of those that nobody else holds. If all are held there will be one more than the limit.
    for (auto oldest = by_use_.begin();
         oldest != by_use_.end() && windows_.size() >= limits_.windows;) {
        const auto found = windows_.find(*oldest);
        if (found->second.window.use_count() > 1) {
            ++oldest;
            continue;
        }
        windows_.erase(found);
        oldest = by_use_.erase(oldest);
    }
}

WindowCache::Found WindowCache::get(std::uint64_t arena, std::uint64_t offset, const os::Fd& file,
                                    std::size_t capacity) noexcept {
    const Key key{arena, offset >> window_shift_};
    const auto within = static_cast<std::size_t>(offset & (limits_.window_bytes - 1));
    const std::lock_guard guard(lock_);
    if (last_ != nullptr && last_key_ == key) return {last_->window, last_bytes_.subspan(within)};
    std::shared_ptr<Window> window = find_or_map(key, file, capacity);
    if (!window) return {};
    const std::span<std::byte> bytes = window->bytes().subspan(within);
    return {std::move(window), bytes};
}

std::shared_ptr<Window> WindowCache::find_or_map(const Key& key, const os::Fd& file,
                                                 std::size_t capacity) noexcept {
    if (const auto found = windows_.find(key); found != windows_.end()) {
        by_use_.splice(by_use_.end(), by_use_, found->second.age);
        last_key_ = key;
        last_ = &found->second;
        last_bytes_ = found->second.window->bytes();
        return found->second.window;
    }
    last_ = nullptr;
    make_room();
    const std::uint64_t start = key.second * limits_.window_bytes;
    const auto length =
        static_cast<std::size_t>(std::min<std::uint64_t>(limits_.window_bytes, capacity - start));
    os::Mapping memory =
        os::Mapping::aligned(length, os::huge_page_bytes, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_NORESERVE, file.get(), static_cast<off_t>(start));
    if (!memory) return nullptr;
    // Never in a core dump, which would hold (and bring into being) what the peer never touched;
    // and not in a child, which has no business in the peers of its parent.
    ::madvise(memory.data(), memory.size(), MADV_DONTDUMP);
    ::madvise(memory.data(), memory.size(), MADV_DONTFORK);
    try {
        auto window = std::make_shared<Window>(std::move(memory), key.first, key.second);
        by_use_.push_back(key);
        windows_.emplace(key, Entry{window, std::prev(by_use_.end())});
        return window;
    } catch (const std::bad_alloc&) {
        if (!by_use_.empty() && by_use_.back() == key) by_use_.pop_back();
        errno = ENOMEM;
        return nullptr;
    }
}

}  // namespace onecopy::arena
