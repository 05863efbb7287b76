#include "cli/plan_figures.hpp"

#include <algorithm>

namespace onecopy::cli {
namespace {

using schedule::Link;
using schedule::Place;
using schedule::Step;

/// Adds up what one phase is made of.
struct Phase {
    PlanPhases figures;
    int last_rank = -1;

    void add(const Step& step, int rank, const schedule::Domains& where, const PlanGroups& groups) {
        ++figures.steps;
        if (rank != last_rank) ++figures.ranks;
        last_rank = rank;
        figures.traffic.add(step, rank, where);
        const auto flow = [&](int from, int to) {
            if (from == to) return;
            const Link link = schedule::link_between(where.where(from), where.where(to));
            figures.flows[{link, groups.of(link, from), groups.of(link, to)}] += step.bytes;
        };
        for (const auto& source : step.sources) flow(source.place.rank, rank);
        for (const Place& target : step.targets) flow(rank, target.rank);
    }
};

bool same(const PlanPhases& one, const PlanPhases& other) {
    return one.steps == other.steps && one.ranks == other.ranks && one.flows == other.flows &&
           one.traffic.over(Link::self) == other.traffic.over(Link::self);
}

}  // namespace

PlanGroups::PlanGroups(const schedule::Domains& where) {
    const auto ranks = static_cast<std::size_t>(where.ranks());
    for (std::size_t link = 0; link < groups_.size(); ++link) groups_[link].resize(ranks);
    std::vector<int> order(where.members(0, 0).begin(), where.members(0, 0).end());
    for (const Link link : {Link::self, Link::l3, Link::numa, Link::package, Link::machine}) {
        auto& count = counts_[static_cast<std::size_t>(link)];
        for (std::size_t i = 0; i < ranks; ++i) {
            if (i == 0 || link <= Link::l3 ||
                schedule::link_between(where.where(order[i - 1]), where.where(order[i])) >= link) {
                ++count;
            }
            groups_[static_cast<std::size_t>(link)][static_cast<std::size_t>(order[i])] = count - 1;
        }
    }
}

PlanFigures plan_figures(const schedule::Call& call, const PlanGroups& groups) {
    PlanFigures figures;
    figures.form = call.form;
    std::map<int, Phase> phases;
    for (int rank = 0; rank < call.ranks; ++rank) {
        const schedule::Steps steps = schedule::steps_of(call, rank);
        figures.phases = steps.phases;
        figures.partial_at_most = std::max(figures.partial_at_most, steps.partial_bytes);
        schedule::Traffic own;
        for (const Step& step : steps.list) {
            phases[step.phase].add(step, rank, *call.domains, groups);
            own.add(step, rank, *call.domains);
            figures.traffic.add(step, rank, *call.domains);
        }
        figures.steps += steps.list.size();
        figures.most_by_a_rank = std::max(figures.most_by_a_rank, own.at_least(Link::self));
    }
    for (auto& [number, phase] : phases) {
        if (!figures.by_phase.empty() && figures.by_phase.back().last + 1 == number &&
            same(figures.by_phase.back(), phase.figures)) {
            figures.by_phase.back().last = number;
            continue;
        }
        phase.figures.first = phase.figures.last = number;
        figures.by_phase.push_back(std::move(phase.figures));
    }
    return figures;
}

std::string_view left_by(Link link) {
    switch (link) {
        case Link::numa:
            return "an L3";
        case Link::package:
            return "a NUMA node";
        case Link::machine:
            return "a package";
        default:
            return "a rank";
    }
}

}  // namespace onecopy::cli
