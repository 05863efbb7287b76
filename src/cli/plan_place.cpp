#include "cli/plan_place.hpp"

#include <fmt/format.h>
#include <hwloc.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <type_traits>

#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

constexpr std::uint64_t most_cores = 4096;  // hwloc takes two seconds for so many

struct Destroy {
    void operator()(hwloc_topology_t topology) const noexcept {
        ::hwloc_topology_destroy(topology);
    }
};
using Topology = std::unique_ptr<std::remove_pointer_t<hwloc_topology_t>, Destroy>;

/// How many of the smallest things a synthetic description asks for, at least; hwloc would spend
/// minutes, and all memory, on what may be a slip. "package:2 [numa] l3:4(size=32M) 8" asks for 64.
/// 0: that is none; hwloc finds out what is wrong with it.
std::uint64_t smallest_things(std::string_view text) {
    std::uint64_t product = 1;
    while (!text.empty()) {
        const std::size_t blank = std::min(text.find(' '), text.size());
        std::string_view level = text.substr(0, blank);
        text.remove_prefix(std::min(blank + 1, text.size()));
        level = level.substr(0, level.find_first_of("(["));
        level.remove_prefix(std::min(level.find(':') + 1, level.size()));  // npos + 1 is 0
        std::uint64_t number = 0;
        const auto [end, error] =
            std::from_chars(level.data(), level.data() + level.size(), number);
        if (error == std::errc::result_out_of_range)
            number = most_cores + 1;
        else if (error != std::errc{})
            continue;
        product = std::min(product, most_cores + 1) * std::min(number, most_cores + 1);
    }
    return product;
}

void refuse_too_large(const std::string& synthetic) {
    if (smallest_things(synthetic) <= most_cores) return;
    throw WrongInput(
        fmt::format("plan: --topology \"{}\": more than {} hardware threads; describe a smaller "
                    "machine: ranks begin anew on its cores",
                    synthetic, most_cores));
}

Topology load(const std::optional<std::string>& synthetic) {
    const auto fail = [] {
        throw Failure(fmt::format("plan: read the topology: {}; describe one by --topology",
                                  std::strerror(errno)));
    };
    if (synthetic) refuse_too_large(*synthetic);
    hwloc_topology_t made = nullptr;
    if (::hwloc_topology_init(&made) != 0) fail();
    Topology topology(made);
    if (synthetic && ::hwloc_topology_set_synthetic(topology.get(), synthetic->c_str()) != 0) {
        throw WrongInput(
            fmt::format("plan: --topology \"{}\": hwloc knows no such machine; write one like "
                        "\"package:2 numa:2 l3:4 core:8 pu:1\"",
                        *synthetic));
    }
    if (::hwloc_topology_load(topology.get()) != 0) fail();
    return topology;
}

/// The number of the thing of that kind around `object`, among all such; 0 where there is none.
int number_around(hwloc_topology_t topology, hwloc_obj_t object, hwloc_obj_type_t kind) {
    const hwloc_obj_t around = ::hwloc_get_ancestor_obj_by_type(topology, kind, object);
    return around == nullptr ? 0 : static_cast<int>(around->logical_index);
}

}  // namespace

PlanMachine plan_machine(const std::optional<std::string>& synthetic) {
    const Topology topology = load(synthetic);
    PlanMachine machine{synthetic.value_or("this machine"), {}};
    // Some virtual machines do not say which hardware threads make a core.
    const bool knows_cores = ::hwloc_get_nbobjs_by_type(topology.get(), HWLOC_OBJ_CORE) > 0;
    const hwloc_obj_type_t kind = knows_cores ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    for (hwloc_obj_t core = nullptr;
         (core = ::hwloc_get_next_obj_by_type(topology.get(), kind, core)) != nullptr;) {
        // A core that is near two nodes (their memories are of different kinds) counts to the
        // first.
        const int node = core->nodeset == nullptr ? 0 : ::hwloc_bitmap_first(core->nodeset);
        machine.cores.push_back({number_around(topology.get(), core, HWLOC_OBJ_PACKAGE),
                                 node < 0 ? 0 : node,
                                 number_around(topology.get(), core, HWLOC_OBJ_L3CACHE)});
    }
    if (machine.cores.empty()) throw Failure("plan: " + machine.name + ": hwloc finds no core");
    return machine;
}

std::vector<schedule::Where> place_ranks(const PlanMachine& machine, int ranks) {
    std::vector<schedule::Where> places;
    places.reserve(static_cast<std::size_t>(ranks));
    for (std::size_t rank = 0; rank < static_cast<std::size_t>(ranks); ++rank) {
        places.push_back(machine.cores[rank % machine.cores.size()]);
    }
    return places;
}

}  // namespace onecopy::cli
