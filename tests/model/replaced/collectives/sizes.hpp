// In place of src/collectives/sizes.hpp: so small that a few calls go round.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onecopy::collectives {

inline constexpr std::uint32_t call_slots = 2;
inline constexpr std::size_t slot_data_bytes = 48;
inline constexpr std::uint32_t frame_slots = 2;

}  // namespace onecopy::collectives
