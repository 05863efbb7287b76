#include "model/shared.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace onecopy::model {

void Shared::clear() noexcept {
    std::memset(lines_[0].bytes, 0, used_);
    const auto used = static_cast<std::ptrdiff_t>((used_ + word_bytes - 1) / word_bytes);
    std::fill(words_.begin(), words_.begin() + used, Word{});
    used_ = 0;
}

void* Shared::allocate(std::size_t bytes, std::size_t alignment) noexcept {
    const std::size_t at = (used_ + alignment - 1) / alignment * alignment;
    if (at + bytes > total_bytes) std::abort();
    used_ = at + bytes;
    return lines_[0].bytes + at;
}

Shared::Range Shared::range(const void* address, std::size_t bytes) const noexcept {
    const auto at =
        reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(base());
    if (at >= used_) return {};
    return {at / word_bytes, (at + bytes + word_bytes - 1) / word_bytes};
}

}  // namespace onecopy::model
