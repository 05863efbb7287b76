// Which schedule a large call goes by, in windows of how many bytes: a function of what all ranks
// know alike, member 0's table among it, so that all choose the same.
#pragma once

#include <algorithm>
#include <cstdint>

#include "collectives/call.hpp"
#include "node/schedules.hpp"
#include "schedule/forms.hpp"
#include "schedule/schedule.hpp"

namespace onecopy::collectives {

struct Choice {
    schedule::Form form{};
    std::uint64_t window = 0;  ///< bytes of a block; a multiple of the grain
};

/// Regions of a frame's bytes, each as long as so many windows: what others read of a rank's
/// memory. By domains `partial` comes on top: see Places::partial_bytes().
struct Regions {
    std::uint64_t from = 0, to = 0, partial = 0;
    [[nodiscard]] std::uint64_t all() const noexcept { return from + to + partial; }
};

constexpr Regions regions_of(Collective what, schedule::Form form, int ranks) noexcept {
    const auto all = static_cast<std::uint64_t>(ranks);
    const bool redundant = form == schedule::Form::redundant;
    const bool domains = form == schedule::Form::domains;
    switch (what) {
        case Collective::scatter:
        case Collective::alltoall:
        case Collective::reduce_scatter:
            return {all, 0, 0};
        case Collective::bcast:
            return {1, domains ? 1U : 0U, 0};
        case Collective::allgather:
            return {1, domains ? all : 0U, 0};
        case Collective::allreduce:
            return {1, redundant ? 0U : 1U, 0};
        case Collective::reduce:
            return {1, 0, redundant || domains ? 0U : 1U};
        case Collective::scan:
            return {redundant ? 1U : 0U, 1, 0};
        case Collective::exscan:
            return {redundant ? 1U : 0U, 0, 1};
        default:
            return {1, 0, 0};
    }
}

/// `mapped`: on memory that all can map, else through frames of so many bytes. `in_place`: at any
/// rank.
inline Choice choose(const node::ScheduleTable& table, const Call& call, int ranks, bool mapped,
                     bool in_place, std::uint64_t frame_bytes) noexcept {
    const node::Schedule& wanted =
        table.of(call.what, mapped ? node::Reach::mapped : node::Reach::frames, call.bytes);
    Choice choice{wanted.form};
    // Into a frame nobody but its rank writes; and what is copied there is not overwritten.
    const bool possible = mapped ? !in_place || schedule::in_place_safe(call.what, choice.form)
                                 : choice.form != schedule::Form::push;
    if (!possible || !schedule::has_form(call.what, choice.form)) {
        choice.form = schedule::Form::pull;
    }
    const std::uint64_t grain = call.grain();
    std::uint64_t window = std::uint64_t{wanted.window_kib} << 10;
    const Regions regions = regions_of(call.what, choice.form, ranks);
    // Partial results go through frames on mapped memory, too.
    if (mapped && regions.partial > 0) window = std::min(window, frame_bytes);
    if (!mapped) {
        // The frames of many ranks must not take too much memory.
        if (ranks > 8) window = std::min(window, std::uint64_t{16} << 10);
        window = std::min(window, frame_bytes / regions.all());
    }
    choice.window = window / grain * grain;
    if (mapped) choice.window = std::max(choice.window, grain);
    return choice;
}

}  // namespace onecopy::collectives
