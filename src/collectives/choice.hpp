// Which schedule a large call goes by, in windows of how many bytes: a function of what all ranks
// know alike, so that all choose the same.
#pragma once

#include <algorithm>
#include <cstdint>

#include "collectives/call.hpp"
#include "schedule/schedule.hpp"

namespace onecopy::collectives {

struct Choice {
    schedule::Form form{};
    std::uint64_t window = 0;  ///< bytes of a block; a multiple of the grain
};

/// Regions of a frame's bytes, each as long as so many windows: what others read of a rank's
/// memory. With schedules other than by domains.
struct Regions {
    std::uint64_t from = 0, to = 0, partial = 0;
    [[nodiscard]] std::uint64_t all() const noexcept { return from + to + partial; }
};

constexpr Regions regions_of(Collective what, schedule::Form form, int ranks) noexcept {
    const auto all = static_cast<std::uint64_t>(ranks);
    const bool redundant = form == schedule::Form::redundant;
    switch (what) {
        case Collective::scatter:
        case Collective::alltoall:
        case Collective::reduce_scatter:
            return {all, 0, 0};
        case Collective::allreduce:
            return {1, redundant ? 0U : 1U, 0};
        case Collective::reduce:
            return {1, 0, redundant ? 0U : 1U};
        case Collective::scan:
            return {redundant ? 1U : 0U, 1, 0};
        case Collective::exscan:
            return {redundant ? 1U : 0U, 0, 1};
        default:
            return {1, 0, 0};
    }
}

/// On memory that all can map.
inline Choice choose_mapped(const Call& call, int ranks) noexcept {
    Choice choice;
    const std::uint64_t grain = call.grain();
    switch (call.what) {
        case Collective::reduce_scatter:
        case Collective::scan:
        case Collective::exscan:
            choice.form = schedule::Form::pull;
            break;
        default:
            choice.form = schedule::Form::push;
    }
    std::uint64_t window = std::uint64_t{1} << 20;
    if (call.what == Collective::exscan) window = std::uint64_t{32} << 10;
    static_cast<void>(ranks);
    choice.window = std::max(grain, window / grain * grain);
    return choice;
}

/// Through frames of so many bytes. Two ranks that both reduce do best with as few windows as can
/// be: they wait for each other at each, which costs most where their cores are far apart (64 KiB
/// to 4 MiB in windows of 32, 64, 128 and 256 KiB: `onecopy bench collectives --works allreduce
/// --ways onecopy-ordinary`). The frames of more ranks must not take too much memory.
inline Choice choose_framed(const Call& call, int ranks, std::uint64_t frame_bytes) noexcept {
    const bool reduces = call.what == Collective::allreduce || call.what == Collective::reduce;
    Choice choice;
    choice.form = ranks == 2 && reduces ? schedule::Form::redundant : schedule::Form::pull;
    const bool both = ranks == 2 && call.what == Collective::allreduce;
    const std::uint64_t most = std::uint64_t{both ? 256U : ranks <= 8 ? 64U : 16U} << 10;
    const std::uint64_t window =
        std::min(most, frame_bytes / regions_of(call.what, choice.form, ranks).all());
    choice.window = window / call.grain() * call.grain();
    return choice;
}

}  // namespace onecopy::collectives
