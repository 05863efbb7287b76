// How far two cores are from each other.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onecopy::os {

/// The nearest that both have in common.
enum class Distance : std::uint8_t {
    same_core,  ///< hardware threads of one core, or one and the same
    same_l2,
    same_l3,
    same_node,  ///< of memory (NUMA)
    farther
};
inline constexpr std::size_t distances = 5;

}  // namespace onecopy::os
