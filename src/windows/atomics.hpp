// Elements in memory that others change at the same time, by instructions of the processor.
//
// Which elements these are is a matter of their size and address alone, so that all ranks, whatever
// their operation, agree for each element whether it is changed this way or under a lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "onecopy/reduce.hpp"
#include "reduce/combiner.hpp"

namespace onecopy::windows {

/// An operation on elements of a target: result = target's op operand.
struct Operator {
    reduction::Combiner combine;
    Op op;
    Type type;  ///< means nothing for a caller's function

    [[nodiscard]] bool is(Op one) const noexcept { return !combine.is_foreign() && op == one; }
};

/// Whether elements of so many bytes at that address (in their owner; pages are mapped at whole
/// pages) are changed by the processor.
[[nodiscard]] bool by_processor(std::size_t element_bytes, std::uint64_t address) noexcept;

/// `count` elements at `target`. `before`: gets what was there; null: nobody asks. Each is changed
/// at once, as others see it, and not all of them together.
void change_atomically(std::byte* target, const std::byte* operand, std::byte* before,
                       std::size_t count, const Operator& how) noexcept;

/// One element of `bytes`: becomes `desired` if it is `expected`, bit by bit.
void swap_atomically(std::byte* target, const std::byte* expected, const std::byte* desired,
                     std::byte* before, std::size_t bytes) noexcept;

}  // namespace onecopy::windows
