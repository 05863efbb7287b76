// Collects the steps of a rank. Of this room alone.
#pragma once

#include <cstdint>
#include <vector>

#include "schedule/schedule.hpp"

namespace onecopy::schedule {

/// What a rank contributes: there since it came.
inline Source contribution(int rank, int block, std::uint64_t offset) noexcept {
    return {{rank, Buffer::from, block, offset}, 0, rank, 1};
}

/// Those of the ranks [0, count).
std::vector<Source> contributions(int count, int block, std::uint64_t offset);

class Builder {
public:
    /// Nothing, where there are no bytes; a longer last step, where this one goes on where that
    /// ends at each of its places.
    void add(int phase, std::uint64_t bytes, std::vector<Place> targets,
             std::vector<Source> sources);
    void copy(int phase, std::uint64_t bytes, const Place& target, const Source& source) {
        add(phase, bytes, {target}, {source});
    }
    /// Behind what is there now.
    void need_partial(std::uint64_t bytes) noexcept { steps_.partial_bytes += bytes; }

    [[nodiscard]] Steps done(int phases) && {
        steps_.phases = phases;
        return static_cast<Steps&&>(steps_);
    }

private:
    Steps steps_;
};

// Each form for the collectives that has_form() names; pull for all.
Steps pull_steps(const Call& call, int rank);
Steps push_steps(const Call& call, int rank);
Steps redundant_steps(const Call& call, int rank);
Steps domains_steps(const Call& call, int rank);

}  // namespace onecopy::schedule
