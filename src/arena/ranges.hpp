// A list of address ranges that grows without malloc: a fork holds the locks of a malloc that may
// stand on an arena itself.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "os/mapping.hpp"

namespace onecopy::arena {

/// A run of addresses.
struct Range {
    std::uintptr_t begin = 0, end = 0;
    [[nodiscard]] std::size_t bytes() const noexcept { return end - begin; }
    [[nodiscard]] std::byte* data() const noexcept { return reinterpret_cast<std::byte*>(begin); }
};

/// Not for several threads at once.
class Ranges {
public:
    /// False if the system has no memory.
    bool add(Range range) noexcept {
        if (count_ > 0 && data()[count_ - 1].end == range.begin) {
            data()[count_ - 1].end = range.end;
            return true;
        }
        if ((count_ + 1) * sizeof(Range) > room_.size()) {
            os::Mapping larger(std::max<std::size_t>(2 * room_.size(), 65536),
                               PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
            if (!larger) return false;
            if (count_ > 0) std::memcpy(larger.data(), room_.data(), count_ * sizeof(Range));
            room_ = std::move(larger);
        }
        data()[count_++] = range;
        return true;
    }
    void clear() noexcept {
        room_ = os::Mapping();
        count_ = 0;
    }
    [[nodiscard]] std::span<const Range> all() const noexcept { return {data(), count_}; }

private:
    [[nodiscard]] Range* data() const noexcept { return reinterpret_cast<Range*>(room_.data()); }
    os::Mapping room_;
    std::size_t count_ = 0;
};

}  // namespace onecopy::arena
