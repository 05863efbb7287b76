// A correction of the table of ways (ways.hpp) by what messages take: of one rank, for the messages
// it sends to one other of one class of sizes, while both are there.
//
// The table may be of another machine, or of none, and in a virtual machine the distance of two
// cores changes while a job runs. So now and then a message goes another way than the fastest
// known: seldom where that was much slower.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "node/ways.hpp"

namespace onecopy::node {

class Trial {
public:
    /// Which way the next message is to go.
    Unmapped next(Unmapped by_table) noexcept {
        ++messages_;
        const Unmapped best = fastest(by_table);
        if (messages_ % between_trials != 0) return best;
        const std::uint32_t trial = messages_ / between_trials;
        const auto other = static_cast<Unmapped>(trial % ways);
        const Found& found = found_[trial % ways];
        const bool worth_it = found.samples == 0 || found.time < worth_it_below * time_of(best) ||
                              trial / ways % between_hopeless_trials == 0;
        return worth_it ? other : best;
    }

    /// What one took, in any unit, a byte. Messages for which the receiver was not there do not
    /// count.
    void took(Unmapped way, float time) noexcept {
        Found& found = found_[static_cast<std::size_t>(way)];
        // The least, since a message may have to wait for reasons of its own; slowly forgotten.
        const float forgotten = found.time * forgetting;
        found.time = found.samples == 0 || time < forgotten ? time : forgotten;
        ++found.samples;
    }

    [[nodiscard]] Unmapped fastest(Unmapped by_table) const noexcept {
        Unmapped best = by_table;
        for (std::size_t i = 0; i < ways; ++i) {
            const auto way = static_cast<Unmapped>(i);
            if (found_[i].samples >= enough && time_of(best) > 0 &&
                found_[i].time < better * time_of(best)) {
                best = way;
            }
        }
        return best;
    }

private:
    static constexpr std::size_t ways = 3;
    static constexpr std::uint32_t between_trials = 64;
    static constexpr std::uint32_t between_hopeless_trials = 16;
    static constexpr std::uint32_t enough = 2;
    static constexpr float worth_it_below = 1.5F;
    static constexpr float forgetting = 1.02F;
    static constexpr float better = 0.9F;

    [[nodiscard]] float time_of(Unmapped way) const noexcept {
        return found_[static_cast<std::size_t>(way)].time;
    }

    struct Found {
        float time = 0;
        std::uint32_t samples = 0;
    };
    std::array<Found, ways> found_{};
    std::uint32_t messages_ = 0;
};

}  // namespace onecopy::node
