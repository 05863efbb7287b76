// What a schedule does, in figures: steps and bytes of each phase, and what goes over which link.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <tuple>
#include <vector>

#include "schedule/domains.hpp"
#include "schedule/forms.hpp"
#include "schedule/names.hpp"
#include "schedule/schedule.hpp"
#include "schedule/traffic.hpp"

namespace onecopy::cli {

using schedule::collective_names;
using schedule::form_names;
using schedule::name_of;

/// The groups into which the links of a kind divide the ranks: with Link::numa the L3s, with
/// package the NUMA nodes, with machine the packages; with Link::l3 the ranks themselves.
class PlanGroups {
public:
    explicit PlanGroups(const schedule::Domains& where);

    [[nodiscard]] int count(schedule::Link link) const noexcept {
        return counts_[static_cast<std::size_t>(link)];
    }
    /// Its number: neighbours on the machine have neighbouring ones.
    [[nodiscard]] int of(schedule::Link link, int rank) const noexcept {
        return groups_[static_cast<std::size_t>(link)][static_cast<std::size_t>(rank)];
    }

private:
    std::array<std::vector<int>, 5> groups_;
    std::array<int, 5> counts_{};
};

/// Bytes that went from a group to another over a link of the kind that divides them.
using Flow = std::tuple<schedule::Link, int, int>;

/// Phases that follow each other and have the same figures.
struct PlanPhases {
    int first = 1, last = 1;
    std::uint64_t steps = 0;  ///< this and the rest in each of them
    int ranks = 0;            ///< that have a step
    schedule::Traffic traffic;
    std::map<Flow, std::uint64_t> flows;
};

struct PlanFigures {
    schedule::Form form{};
    std::uint64_t steps = 0;
    int phases = 0;
    schedule::Traffic traffic;
    std::uint64_t most_by_a_rank = 0;   ///< bytes that the busiest one reads and writes
    std::uint64_t partial_at_most = 0;  ///< bytes of memory for partial results, of one rank
    std::vector<PlanPhases> by_phase;
};

/// Makes the steps of all ranks. `call.domains` says where they are.
PlanFigures plan_figures(const schedule::Call& call, const PlanGroups& groups);

/// "a package", ... of what bytes leave that go over such a link or a farther one.
std::string_view left_by(schedule::Link link);

}  // namespace onecopy::cli
