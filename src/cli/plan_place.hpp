// Where the ranks of `onecopy plan` are: core by core on this machine, or on one that is described.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schedule/domains.hpp"

namespace onecopy::cli {

/// The cores of a machine, in the order of its topology. One whose L3 or NUMA node is not known
/// shares it with the others of what is.
struct PlanMachine {
    std::string name;  ///< as it was described; "this machine"
    std::vector<schedule::Where> cores;
};

/// `synthetic` as hwloc describes machines ("package:2 l3:4 core:8 pu:1"); none: this machine, as
/// far as hwloc sees it. Throws WrongInput where that makes no sense, Failure where the topology
/// cannot be read. Source: hwloc, "Synthetic topologies".
PlanMachine plan_machine(const std::optional<std::string>& synthetic);

/// The place of each of so many ranks: rank 0 on the first core, ...; more than cores begin anew.
std::vector<schedule::Where> place_ranks(const PlanMachine& machine, int ranks);

}  // namespace onecopy::cli
