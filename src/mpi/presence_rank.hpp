// What the coordinator's and the other ranks' part of Presence share. Not for others.
#pragma once

#include <vector>

#include "mpi/presence.hpp"

namespace onecopy::mpi {

/// Lives at one address: the peers read `nonce` from it.
struct Presence::Rank {
    Place place;
    Terms terms;
    PresenceOptions options;
    std::string objection;
    Nonce nonce{};
    os::Fd listener;

    [[nodiscard]] Name name_of(int local_rank) const {
        return listener_name(place.job, local_rank);
    }

    /// What we say of ourselves.
    [[nodiscard]] Hello hello() const;

    /// Opens every process of the table and proves that it is the one meant, and readable. The
    /// report names the first that is not.
    Report reach(std::span<const TableLine> table, std::vector<Process>& peers) const;

    /// What remains to be done when everybody said yes.
    Agreement agreed(std::span<const TableLine> table, std::vector<Process> peers,
                     os::JobSegment segment) const;
};

using Clock = std::chrono::steady_clock;

/// For poll: the milliseconds until then, rounded up, at least 0.
int milliseconds_until(Clock::time_point then);

/// The bytes of the table of so many ranks, up to where the payload starts.
std::size_t table_bytes(int ranks);

/// The table at the segment's beginning.
std::span<TableLine> table_of(const os::JobSegment& segment, int ranks);

}  // namespace onecopy::mpi
