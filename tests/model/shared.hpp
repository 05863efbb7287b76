// The memory that the threads of a modelled program share, and who has used which bytes of it last.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/graph.hpp"

namespace onecopy::model {

/// A few pages at a fixed place, handed out anew in each execution.
class Shared {
public:
    Shared() : lines_(total_bytes / sizeof(Line)), words_(total_bytes / word_bytes) {}

    /// Zeros it, and forgets who used it.
    void clear() noexcept;
    /// Aborts where there is not enough.
    void* allocate(std::size_t bytes, std::size_t alignment) noexcept;

    static constexpr std::size_t word_bytes = 4;

    /// A few bytes, used as a whole or not at all.
    struct Word {
        int location = -1;  ///< an atomic object that begins here
        int sleepers = -1;  ///< the kernel's list of who sleeps on it, a location too
        std::uint8_t written_by = 0;
        std::uint16_t written_at = 0;                      ///< the writer's operations till then
        std::array<std::uint16_t, max_threads> read_at{};  ///< the same, and 1; 0: not read
    };
    /// Those of `bytes` at `address`; an empty range for memory that is not ours.
    struct Range {
        std::size_t begin = 0, end = 0;
    };
    [[nodiscard]] Range range(const void* address, std::size_t bytes) const noexcept;
    [[nodiscard]] Word& word(std::size_t number) noexcept { return words_[number]; }
    [[nodiscard]] const std::byte* address(std::size_t word) const noexcept {
        return base() + word * word_bytes;
    }

private:
    static constexpr std::size_t total_bytes = std::size_t{32} << 10;
    [[nodiscard]] const std::byte* base() const noexcept { return lines_[0].bytes; }

    struct alignas(64) Line {
        std::byte bytes[64];
    };
    std::vector<Line> lines_;
    std::vector<Word> words_;
    std::size_t used_ = 0;
};

}  // namespace onecopy::model
