// In which order the sources of a step are combined.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "schedule/schedule.hpp"

namespace onecopy::schedule {

/// Whether [first, first + count) is a node of the tree that left_of() spans over `ranks`: the
/// contributions of these ranks are combined with each other before any other's.
[[nodiscard]] bool is_node(int first, int count, int ranks) noexcept;

/// How contributions are combined: reduce, allreduce and reduce_scatter as left_of() says, scan and
/// exscan from left to right.
[[nodiscard]] constexpr bool goes_left_to_right(Collective what) noexcept {
    return what == Collective::scan || what == Collective::exscan;
}

/// Instructions for a machine with a stack: a number of a source pushes it; `combine` pops the
/// right operand, then the left one, and pushes the two combined.
struct Postfix {
    static constexpr std::int32_t combine = -1;

    std::vector<std::int32_t> sequence;  ///< n sources: 2 n - 1
    int depth = 0;                       ///< of the stack, at most
};

/// For the sources of one step of `what` with so many ranks. Sources that are not as Step says are
/// a bug of whoever made them: an assertion. Throws std::bad_alloc; allocates once.
[[nodiscard]] Postfix postfix_of(std::span<const Source> sources, Collective what, int ranks);

}  // namespace onecopy::schedule
