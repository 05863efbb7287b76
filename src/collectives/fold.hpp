// Combining the operands of several ranks, in the order and the brackets that are the same
// everywhere: see schedule::left_of() and schedule::goes_left_to_right().
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include "reduce/combiner.hpp"
#include "schedule/schedule.hpp"

namespace onecopy::collectives {

/// What the ranks [first, first + count) have contributed, combined; of as many bytes as all are.
struct Operand {
    const std::byte* bytes;
    int first, count;
};

/// Room for results on their way to others. They pass tile by tile, so that they stay in L1 and L2.
class Tiles {
public:
    static constexpr std::size_t tile_bytes = std::size_t{8} << 10;

    /// For operands of so many ranks. False: no memory.
    bool make(int ranks, std::size_t element_bytes) noexcept {
        std::size_t depth = 1;
        while ((1 << depth) < ranks) ++depth;
        const std::size_t each =
            std::max(tile_bytes, element_bytes) / element_bytes * element_bytes;
        if (2 * depth * each > room_) {
            std::unique_ptr<std::byte[]> more(new (std::nothrow) std::byte[2 * depth * each]);
            if (!more) return false;
            memory_ = std::move(more);
            room_ = 2 * depth * each;
        }
        each_ = each;
        return true;
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return each_; }
    [[nodiscard]] std::byte* tile(std::size_t number) const noexcept {
        return memory_.get() + number * each_;
    }

private:
    std::unique_ptr<std::byte[]> memory_;
    std::size_t room_ = 0, each_ = 0;
};

/// Combines up to a tile's bytes of each operand, from `at` on, into `result`, which may be the
/// place of one of them. More than one operand.
class Fold {
public:
    Fold(const reduction::Combiner& combine, const Tiles& tiles, schedule::Collective what) noexcept
        : combine_(combine), tiles_(tiles), left_to_right_(schedule::goes_left_to_right(what)) {}

    void operator()(std::span<const Operand> operands, std::size_t at, std::size_t bytes,
                    std::byte* result) const noexcept {
        if (left_to_right_) {
            const std::byte* left = operands[0].bytes + at;
            for (std::size_t i = 1; i < operands.size(); ++i) {
                std::byte* const into = i + 1 == operands.size() ? result : tiles_.tile(0);
                combine_(left, operands[i].bytes + at, into, bytes);
                left = into;
            }
            return;
        }
        const int first = operands.front().first;
        const int end = operands.back().first + operands.back().count;
        node(operands, first, end - first, at, bytes, result, 0);
    }

private:
    /// Where the node of these ranks is: its only operand, or `into`.
    const std::byte* node(std::span<const Operand> operands, int first, int count, std::size_t at,
                          std::size_t bytes, std::byte* into, std::size_t depth) const noexcept {
        if (operands.size() == 1) return operands[0].bytes + at;
        const int left_count = schedule::left_of(count);
        std::size_t split = 1;
        while (operands[split].first < first + left_count) ++split;
        const std::byte* const left = node(operands.first(split), first, left_count, at, bytes,
                                           tiles_.tile(2 * depth), depth + 1);
        const std::byte* const right =
            node(operands.subspan(split), first + left_count, count - left_count, at, bytes,
                 tiles_.tile(2 * depth + 1), depth + 1);
        combine_(left, right, into, bytes);
        return into;
    }

    const reduction::Combiner& combine_;
    const Tiles& tiles_;
    bool left_to_right_;
};

/// All of operands of so many bytes, tile by tile; of one it is a copy, or nothing where it is in
/// place.
inline void fold_all(const reduction::Combiner& combine, const Tiles& tiles,
                     schedule::Collective what, std::span<const Operand> operands,
                     std::size_t bytes, std::byte* result) noexcept {
    if (operands.size() == 1) {
        if (result != operands[0].bytes) std::memcpy(result, operands[0].bytes, bytes);
        return;
    }
    const Fold fold(combine, tiles, what);
    for (std::size_t at = 0; at < bytes; at += tiles.bytes()) {
        fold(operands, at, std::min(tiles.bytes(), bytes - at), result + at);
    }
}

}  // namespace onecopy::collectives
