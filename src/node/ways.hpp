// Which way a large message goes: what was found fastest, for each distance between two cores.
//
// Whether a message's memory can be mapped, and whether both sides are there, is seen when it goes;
// the rest is in these tables. They are measured by `onecopy tune`, and differ between machines: a
// stage that beats the system call by four on one is half as fast on another.
//
// Each rank has its own: how the bytes of one message move is proposed by one of the two and told
// to the other (handoff.hpp), so they need not be equal.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "node/sizes.hpp"
#include "os/cpu_distance.hpp"

namespace onecopy::node {

/// Of messages whose sender's memory the receiver cannot map, while both are in the library.
enum class Unmapped : std::uint8_t {
    call,       ///< the receiver fetches it by system calls
    both_call,  ///< and the sender writes the other half by system calls
    staged      ///< through slots that stay in the caches: one fills them, the other empties them
};

/// Classes of sizes: the largest message of each but the last, in bytes.
inline constexpr std::array<std::uint64_t, 5> size_limits{
    std::uint64_t{16} << 10, std::uint64_t{64} << 10, std::uint64_t{256} << 10,
    std::uint64_t{1} << 20, std::uint64_t{4} << 20};
inline constexpr std::size_t size_classes = size_limits.size() + 1;
constexpr std::size_t size_class(std::uint64_t bytes) noexcept {
    std::size_t index = 0;
    while (index < size_limits.size() && bytes > size_limits[index]) ++index;
    return index;
}

/// For one distance.
struct Ways {
    /// Mapped messages from so many bytes on are copied by both sides.
    std::uint64_t shared_from = std::uint64_t{64} << 10;
    std::array<Unmapped, size_classes> unmapped{Unmapped::staged, Unmapped::staged,
                                                Unmapped::staged, Unmapped::staged,
                                                Unmapped::staged, Unmapped::staged};
    /// Of a stage: at most so many bytes in a slot (stage_slot_bytes at most), so many slots
    /// (stage_slots at most, 2 at least). Short messages go in shorter slots.
    std::uint32_t slot_bytes = stage_slot_bytes;
    std::uint32_t slots = stage_slots / 2;

    [[nodiscard]] Unmapped unmapped_way(std::uint64_t bytes) const noexcept {
        return unmapped[size_class(bytes)];
    }
    friend bool operator==(const Ways&, const Ways&) = default;
};

/// By os::Distance.
using WayTable = std::array<Ways, os::distances>;

}  // namespace onecopy::node
