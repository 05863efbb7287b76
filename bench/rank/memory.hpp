// Memory for the buffers of a rank.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace onecopy::bench {

inline constexpr std::size_t page_bytes = 4096;

/// Page-aligned memory from malloc, not touched before its first use.
class Area {
public:
    explicit Area(std::size_t bytes)
        : at_(static_cast<std::byte*>(
              std::aligned_alloc(page_bytes, (bytes + page_bytes - 1) / page_bytes * page_bytes))) {
        if (at_ == nullptr) throw std::bad_alloc();
    }
    Area(const Area&) = delete;
    Area& operator=(const Area&) = delete;
    ~Area() { std::free(at_); }

    [[nodiscard]] std::byte* data() const noexcept { return at_; }

private:
    std::byte* at_;
};

}  // namespace onecopy::bench
