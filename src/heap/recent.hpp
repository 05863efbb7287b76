// The blocks that were freed a moment ago.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace onecopy::heap {

struct FreedBlock {
    void* address = nullptr;
    std::uint64_t pages = 0;
};

/// A short list of freed blocks, whole as they were: a program that frees a block of some size and
/// asks for that size again gets it back, warm, for a few nanoseconds and without the arena's
/// bookkeeping. Last in, first out; exact sizes only. Bounded in blocks, pages and time.
///
/// Not for several threads at once.
class Recent {
public:
    static constexpr std::size_t most_blocks = 64;

    /// Keeps up to `most_pages`, each block for `kept_for_ms`.
    Recent(std::uint64_t most_pages, std::uint64_t kept_for_ms) noexcept
        : most_pages_(most_pages), kept_for_ms_(kept_for_ms) {}

    /// Takes out the youngest block of exactly `pages` whose address is a multiple of `alignment`;
    /// null if there is none.
    void* take(std::uint64_t pages, std::size_t alignment) noexcept;

    /// Puts a block in; false, and it is not in, if it is too long to be kept at all or the list is
    /// full: make room with take_surplus() first.
    bool put(FreedBlock block, std::uint64_t now_ms) noexcept;

    /// Takes out the oldest block if it is too old, or if without it there is no room for `pages`
    /// more. Empty once all is well; call it until then. `pages` above what is kept at all: only
    /// the old go.
    std::optional<FreedBlock> take_surplus(std::uint64_t pages, std::uint64_t now_ms) noexcept;

    /// Takes out the oldest, whatever its age; empty if there is none.
    std::optional<FreedBlock> take_oldest() noexcept;

    [[nodiscard]] std::uint64_t pages() const noexcept { return pages_; }

private:
    struct Entry {
        void* address;
        std::uint64_t pages, since_ms;
    };
    FreedBlock remove(std::size_t index) noexcept;

    std::uint64_t most_pages_, kept_for_ms_;
    std::array<Entry, most_blocks> blocks_;  // the oldest first
    std::size_t count_ = 0;
    std::uint64_t pages_ = 0;
};

}  // namespace onecopy::heap
