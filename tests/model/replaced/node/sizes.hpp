// In place of src/node/sizes.hpp: so small that a few messages go round.
#pragma once

#include <cstddef>

namespace onecopy::node {

inline constexpr std::size_t ring_lines = 8;
inline constexpr std::size_t stage_slots = 2;
inline constexpr std::size_t stage_slot_bytes = 64;

}  // namespace onecopy::node
