// A rank's steps for a window of a large call, with what the engine needs to know about them; kept,
// since programs make the same calls again and again.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "collectives/choice.hpp"
#include "schedule/exports.hpp"
#include "schedule/schedule.hpp"

namespace onecopy::collectives {

struct Plan {
    schedule::Call call;
    schedule::Steps steps;
    schedule::Exports exports;
    /// Whether others read this rank's `to`.
    bool shows_results = false;

    /// Throws std::bad_alloc.
    Plan(const schedule::Call& what, int rank);

    /// Where bytes stand in a frame. `blocks` as in regions_of().
    [[nodiscard]] std::uint64_t place_in_frame(const schedule::Place& place) const noexcept {
        const std::uint64_t within =
            static_cast<std::uint64_t>(place.block) * call.bytes + place.offset;
        switch (place.buffer) {
            case schedule::Buffer::from:
                return within;
            case schedule::Buffer::to:
                return regions.from * call.bytes + within;
            case schedule::Buffer::partial:
                break;
        }
        return (regions.from + regions.to) * call.bytes + within;
    }

    Regions regions;
};

/// At least what others read of the rank's memory, out of its own steps: for many ranks, where
/// exports_of() would be too much work. Everybody is taken to touch everybody. Throws
/// std::bad_alloc.
[[nodiscard]] schedule::Exports exports_at_most(const schedule::Call& call,
                                                const schedule::Steps& steps, int rank);

/// Those used last. One thread at a time.
class Plans {
public:
    /// Throws std::bad_alloc.
    std::shared_ptr<const Plan> get(const schedule::Call& what, int rank);

private:
    static constexpr std::size_t most = 32;
    std::array<std::shared_ptr<const Plan>, most> kept_;
    std::size_t next_ = 0;
};

}  // namespace onecopy::collectives
