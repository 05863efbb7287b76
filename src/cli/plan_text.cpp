#include "cli/plan_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/arguments.hpp"

namespace onecopy::cli {
namespace {

using schedule::Buffer;
using schedule::Collective;
using schedule::Link;

constexpr std::array<std::string_view, 3> buffer_names = {"from", "to", "partial"};
constexpr std::size_t most_lines = 24;  // of phases, of one form

std::string_view buffer_name(Buffer buffer) {
    return buffer_names[static_cast<std::size_t>(buffer)];
}

bool has_blocks(Collective what) {
    using enum Collective;
    return what == gather || what == scatter || what == allgather || what == alltoall ||
           what == reduce_scatter;
}

/// The links that come between any of the ranks.
std::vector<Link> links_between(const PlanGroups& groups) {
    std::vector<Link> links;
    int coarser = 1;
    for (const Link link : {Link::machine, Link::package, Link::numa}) {
        if (groups.count(link) > coarser) links.insert(links.begin(), link);
        coarser = groups.count(link);
    }
    return links;
}

/// Columns as wide as they need; the first to the left, the rest to the right.
class Columns {
public:
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    [[nodiscard]] std::string text() const {
        std::vector<std::size_t> widths;
        for (const auto& row : rows_) {
            widths.resize(std::max(widths.size(), row.size()));
            for (std::size_t i = 0; i < row.size(); ++i) {
                widths[i] = std::max(widths[i], row[i].size());
            }
        }
        std::string out;
        for (const auto& row : rows_) {
            std::string line = fmt::format("{:<{}}", row[0], widths[0]);
            for (std::size_t i = 1; i < row.size(); ++i) {
                line += fmt::format("   {:>{}}", row[i], widths[i]);
            }
            line.erase(line.find_last_not_of(' ') + 1);
            out += line + "\n";
        }
        return out;
    }

private:
    std::vector<std::vector<std::string>> rows_;
};

std::vector<std::string> traffic_cells(const schedule::Traffic& traffic,
                                       const std::vector<Link>& links) {
    std::vector<std::string> cells{bytes_text(traffic.at_least(Link::l3))};
    for (const Link link : links) cells.push_back(bytes_text(traffic.at_least(link)));
    return cells;
}

void append(std::vector<std::string>& row, std::vector<std::string> cells) {
    std::move(cells.begin(), cells.end(), std::back_inserter(row));
}

std::string phases_text(int first, int last) {
    return first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
}

std::string overview(const Plan& plan, const std::vector<Link>& links) {
    Columns columns;
    std::vector<std::string> head{"", "phases", "steps", "busiest rank", "between ranks"};
    for (const Link link : links) head.push_back(fmt::format("leave {}", left_by(link)));
    columns.add(std::move(head));
    for (const PlanFigures& form : plan.forms) {
        std::vector<std::string> row{std::string(name_of(form.form)), std::to_string(form.phases),
                                     std::to_string(form.steps), bytes_text(form.most_by_a_rank)};
        append(row, traffic_cells(form.traffic, links));
        columns.add(std::move(row));
    }
    if (!links.empty()) {
        std::vector<std::string> row{"least possible", "", "", "", ""};
        for (const Link link : links) {
            row.push_back(bytes_text(schedule::least_bytes(plan.call, *plan.call.domains, link)));
        }
        columns.add(std::move(row));
    }
    return columns.text();
}

std::string by_phase(const PlanFigures& form, const std::vector<Link>& links) {
    Columns columns;
    std::vector<std::string> head{fmt::format("{}: phase", name_of(form.form)), "ranks at work",
                                  "steps", "between ranks"};
    for (const Link link : links) head.push_back(fmt::format("leave {}", left_by(link)));
    columns.add(std::move(head));
    for (std::size_t i = 0; i < form.by_phase.size() && i < most_lines; ++i) {
        const PlanPhases& phase = form.by_phase[i];
        std::vector<std::string> row{phases_text(phase.first, phase.last),
                                     std::to_string(phase.ranks), std::to_string(phase.steps)};
        append(row, traffic_cells(phase.traffic, links));
        columns.add(std::move(row));
    }
    std::string text = columns.text();
    if (form.by_phase.size() > most_lines) {
        text += fmt::format("and so on to phase {}; --json has them all\n", form.phases);
    }
    return text;
}

std::string place_text(const schedule::Place& place, int rank, Collective what) {
    std::string text = place.rank == rank ? "own" : fmt::format("rank {}'s", place.rank);
    text += fmt::format(" {}", buffer_name(place.buffer));
    if (has_blocks(what)) text += fmt::format(" block {}", place.block);
    return text + fmt::format(" +{}", place.offset);
}

/// "(0 1) 2-3": which contributions are in the sources.
std::string sources_text(const schedule::Step& step, int rank, Collective what) {
    std::string text;
    for (std::size_t i = 0; i < step.sources.size();) {
        // Contributions of neighbours at the same place are one entry.
        std::size_t end = i + 1;
        const auto& first = step.sources[i].place;
        while (end < step.sources.size() && first.buffer == Buffer::from) {
            const auto& next = step.sources[end].place;
            if (next.buffer != first.buffer || next.block != first.block ||
                next.offset != first.offset ||
                next.rank != first.rank + static_cast<int>(end - i)) {
                break;
            }
            ++end;
        }
        if (!text.empty()) text += ", ";
        if (end - i > 1) {
            text +=
                fmt::format("from of ranks {}-{}", first.rank, step.sources[end - 1].place.rank);
            if (has_blocks(what)) text += fmt::format(" block {}", first.block);
            text += fmt::format(" +{}", first.offset);
        } else {
            text += place_text(first, rank, what);
            const auto& source = step.sources[i];
            if (source.phase > 0 && source.place.rank != rank) {
                text += fmt::format(" (after its phase {})", source.phase);
            }
        }
        i = end;
    }
    return text;
}

std::string targets_text(const schedule::Step& step, int rank, Collective what) {
    if (step.targets.size() <= 4) {
        std::string text;
        for (const auto& place : step.targets) {
            text += (text.empty() ? "" : ", ") + place_text(place, rank, what);
        }
        return text;
    }
    return fmt::format("{} of {} ranks +{}", buffer_name(step.targets[0].buffer),
                       step.targets.size(), step.targets[0].offset);
}

nlohmann::ordered_json traffic_json(const schedule::Traffic& traffic) {
    return {{"own", traffic.over(Link::self)},
            {"within_l3", traffic.over(Link::l3)},
            {"leave_l3", traffic.at_least(Link::numa)},
            {"leave_numa", traffic.at_least(Link::package)},
            {"leave_package", traffic.at_least(Link::machine)}};
}

nlohmann::ordered_json place_json(const schedule::Place& place) {
    return {{"rank", place.rank},
            {"buffer", buffer_name(place.buffer)},
            {"block", place.block},
            {"offset", place.offset}};
}

nlohmann::ordered_json steps_json(const schedule::Call& call, int rank) {
    const schedule::Steps steps = schedule::steps_of(call, rank);
    auto list = nlohmann::ordered_json::array();
    for (const schedule::Step& step : steps.list) {
        auto targets = nlohmann::ordered_json::array(), sources = targets;
        for (const auto& place : step.targets) targets.push_back(place_json(place));
        for (const auto& source : step.sources) {
            auto entry = place_json(source.place);
            entry["after_phase"] = source.phase;
            entry["first"] = source.first;
            entry["count"] = source.count;
            sources.push_back(std::move(entry));
        }
        list.push_back({{"phase", step.phase},
                        {"bytes", step.bytes},
                        {"targets", std::move(targets)},
                        {"sources", std::move(sources)}});
    }
    return {{"rank", rank}, {"partial_bytes", steps.partial_bytes}, {"list", std::move(list)}};
}

}  // namespace

std::string plan_title(const schedule::Call& call) {
    return fmt::format("{} of {}{}, {} rank{}{}", name_of(call.what), bytes_text(call.bytes),
                       has_blocks(call.what) ? " a block" : "", call.ranks,
                       call.ranks == 1 ? "" : "s",
                       has_root(call.what) ? fmt::format(", root {}", call.root) : "");
}

std::string plan_places(const Plan& plan) {
    const auto counted = [&](Link link, std::string_view one, std::string_view many) {
        const int count = plan.groups.count(link);
        return fmt::format("{} {}", count, count == 1 ? one : many);
    };
    const std::size_t cores = plan.machine.cores.size();
    const auto ranks = static_cast<std::size_t>(plan.call.ranks);
    return fmt::format(
        "on {} of the {} core{} of {}{}: {}, {}, {}", std::min(cores, ranks), cores,
        cores == 1 ? "" : "s", plan.machine.name, ranks > cores ? ", several ranks on each" : "",
        counted(Link::machine, "package", "packages"),
        counted(Link::package, "NUMA node", "NUMA nodes"), counted(Link::numa, "L3", "L3s"));
}

bool has_root(Collective what) {
    using enum Collective;
    return what == bcast || what == gather || what == scatter || what == reduce;
}

std::string plan_table(const Plan& plan) {
    const std::vector<Link> links = links_between(plan.groups);
    std::string text =
        plan_title(plan.call) + "\n" + plan_places(plan) + "\n\n" + overview(plan, links);
    for (const PlanFigures& form : plan.forms) text += "\n" + by_phase(form, links);
    return text;
}

std::string plan_steps(const schedule::Call& call, int rank) {
    const schedule::Steps steps = schedule::steps_of(call, rank);
    std::string text =
        fmt::format("{}, by {}\nrank {}: {} step{} in {} phase{}", plan_title(call),
                    name_of(call.form), rank, steps.list.size(), steps.list.size() == 1 ? "" : "s",
                    steps.phases, steps.phases == 1 ? "" : "s");
    if (steps.partial_bytes > 0) {
        text += fmt::format(", {} for partial results", bytes_text(steps.partial_bytes));
    }
    text += "\n\nphase      bytes  step\n";
    for (const schedule::Step& step : steps.list) {
        text += fmt::format("{:>5} {:>10}  {} = {}{}\n", step.phase, step.bytes,
                            targets_text(step, rank, call.what),
                            step.sources.size() > 1 ? "combined " : "",
                            sources_text(step, rank, call.what));
    }
    return text;
}

std::string plan_json(const Plan& plan, int rank) {
    using nlohmann::ordered_json;
    const schedule::Call& call = plan.call;
    ordered_json least;
    for (const auto& [name, link] : {std::pair{"leave_l3", Link::numa},
                                     {"leave_numa", Link::package},
                                     {"leave_package", Link::machine}}) {
        least[name] = schedule::least_bytes(call, *call.domains, link);
    }
    auto forms = ordered_json::array();
    for (const PlanFigures& form : plan.forms) {
        auto phases = ordered_json::array();
        for (const PlanPhases& phase : form.by_phase) {
            phases.push_back({{"first", phase.first},
                              {"last", phase.last},
                              {"ranks", phase.ranks},
                              {"steps", phase.steps},
                              {"bytes", traffic_json(phase.traffic)}});
        }
        ordered_json entry{{"form", name_of(form.form)},
                           {"phases", form.phases},
                           {"steps", form.steps},
                           {"busiest_rank_bytes", form.most_by_a_rank},
                           {"partial_bytes", form.partial_at_most},
                           {"bytes", traffic_json(form.traffic)},
                           {"by_phase", std::move(phases)}};
        if (rank >= 0) {
            schedule::Call of_form = call;
            of_form.form = form.form;
            entry["steps_of_rank"] = steps_json(of_form, rank);
        }
        forms.push_back(std::move(entry));
    }
    const ordered_json all{{"collective", name_of(call.what)},
                           {"ranks", call.ranks},
                           {"root", call.root},
                           {"bytes", call.bytes},
                           {"element_bytes", call.grain},
                           {"topology", plan.machine.name},
                           {"cores", plan.machine.cores.size()},
                           {"packages", plan.groups.count(Link::machine)},
                           {"numa_nodes", plan.groups.count(Link::package)},
                           {"l3s", plan.groups.count(Link::numa)},
                           {"least_bytes", std::move(least)},
                           {"forms", std::move(forms)}};
    return all.dump(2) + "\n";
}

}  // namespace onecopy::cli
