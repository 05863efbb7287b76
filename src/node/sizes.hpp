// How large the queues are. Apart, since tests/model makes them tiny.
#pragma once

#include <cstddef>

namespace onecopy::node {

/// Lines of 64 bytes.
inline constexpr std::size_t ring_lines = 512;

/// Slots through which one large message goes, at most.
inline constexpr std::size_t stage_slots = 16;
inline constexpr std::size_t stage_slot_bytes = std::size_t{32} << 10;

}  // namespace onecopy::node
