// Where the members of a communicator are, and which calls go by domains because of it: data then
// crosses the edge of an L3, a NUMA node or a package as seldom as it can.
//
// Each member has said in its line of the job's memory where it is (node::RankLine::place), before
// it came; nobody writes that again. So all members, when they have found each other, see the same
// places and come to the same tree, however it came about (ONECOPY_TOPOLOGY set differently at
// each, for example).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "collectives/call.hpp"
#include "collectives/choice.hpp"
#include "os/cpu_place.hpp"
#include "schedule/domains.hpp"

namespace onecopy::collectives {

/// One thread at a time.
class Places {
public:
    /// Of all members, by rank. Members that may run in several things of a kind make those no
    /// domains. Throws std::bad_alloc.
    explicit Places(std::span<const os::CpuPlace> members);

    /// Null: there is no more than one domain, or each member has one of its own.
    [[nodiscard]] const schedule::Domains* domains() const noexcept { return domains_.get(); }

    /// Whether going by domains saves anything. (A call of less than three members never does.)
    [[nodiscard]] bool are_worth_it(Collective what) const noexcept;

    /// What no member needs more than for partial results, in windows of up to so many bytes.
    /// Remembers: a few comparisons, but for the first time. Throws std::bad_alloc.
    [[nodiscard]] std::uint64_t partial_bytes(const Call& call, std::uint64_t window);

private:
    std::unique_ptr<const schedule::Domains> domains_;
    bool some_are_combined_ = false;  // in a domain smaller than the machine
    /// Pieces of a vector dealt out to all: what the member with the most has of partial results.
    /// Of allreduce, of reduce_scatter (blocks), of reduce by root; 0: not known yet, counted from
    /// 1.
    std::vector<std::uint64_t> pieces_;
};

/// Nothing: another form. `mapped`: on memory that all can map; otherwise through frames, of which
/// each has `frame_bytes`. Partial results go through those either way. The same at all members.
/// Throws std::bad_alloc.
[[nodiscard]] std::optional<Choice> choose_by_domains(const Call& call, Places& places, bool mapped,
                                                      std::uint64_t frame_bytes);

}  // namespace onecopy::collectives
