// How much there is of what calls share. Apart, since tests/model makes it tiny.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onecopy::collectives {

/// Calls that a member may have begun and the others not finished.
inline constexpr std::uint32_t call_slots = 8;
inline constexpr std::size_t slot_data_bytes = 4096 + 48;

/// Windows of large calls that are at work at once.
inline constexpr std::uint32_t frame_slots = 4;

}  // namespace onecopy::collectives
