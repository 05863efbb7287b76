// `onecopy plan` as text and as JSON.
#pragma once

#include <string>
#include <vector>

#include "cli/plan_figures.hpp"
#include "cli/plan_place.hpp"

namespace onecopy::cli {

/// What the figures are of. Borrowed.
struct Plan {
    const schedule::Call& call;  ///< of any form
    const PlanMachine& machine;
    const PlanGroups& groups;
    const std::vector<PlanFigures>& forms;
};

/// Whether one rank of such a call is not as the others.
bool has_root(schedule::Collective what);

/// The forms side by side, and each phase by phase.
std::string plan_table(const Plan& plan);

/// The steps of one rank.
std::string plan_steps(const schedule::Call& call, int rank);

/// All of that. The steps of `rank`, where it is not negative.
std::string plan_json(const Plan& plan, int rank);

/// The first line of table and picture: "allreduce of 4 MiB, 128 ranks".
std::string plan_title(const schedule::Call& call);
/// The second: how the ranks are placed.
std::string plan_places(const Plan& plan);

}  // namespace onecopy::cli
