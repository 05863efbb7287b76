#include "heap/recent.hpp"

#include <algorithm>

namespace onecopy::heap {

FreedBlock Recent::remove(std::size_t index) noexcept {
    const FreedBlock found{blocks_[index].address, blocks_[index].pages};
    std::copy(blocks_.begin() + static_cast<std::ptrdiff_t>(index) + 1,
              blocks_.begin() + static_cast<std::ptrdiff_t>(count_),
              blocks_.begin() + static_cast<std::ptrdiff_t>(index));
    --count_;
    pages_ -= found.pages;
    return found;
}

void* Recent::take(std::uint64_t pages, std::size_t alignment) noexcept {
    for (std::size_t i = count_; i-- > 0;) {
        if (blocks_[i].pages != pages) continue;
        if ((reinterpret_cast<std::uintptr_t>(blocks_[i].address) & (alignment - 1)) != 0) continue;
        return remove(i).address;
    }
    return nullptr;
}

bool Recent::put(FreedBlock block, std::uint64_t now_ms) noexcept {
    if (count_ == most_blocks || block.pages > most_pages_ || pages_ > most_pages_ - block.pages) {
        return false;
    }
    blocks_[count_++] = {block.address, block.pages, now_ms};
    pages_ += block.pages;
    return true;
}

std::optional<FreedBlock> Recent::take_surplus(std::uint64_t pages, std::uint64_t now_ms) noexcept {
    if (count_ == 0) return {};
    const bool old = now_ms - blocks_.front().since_ms >= kept_for_ms_;
    const bool full = count_ == most_blocks || pages_ + pages > most_pages_;
    if (!old && (!full || pages == 0 || pages > most_pages_)) return {};
    return remove(0);
}

std::optional<FreedBlock> Recent::take_oldest() noexcept {
    if (count_ == 0) return {};
    return remove(0);
}

}  // namespace onecopy::heap
