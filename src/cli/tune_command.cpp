// onecopy tune [--print] [--dry-run]
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/errors.hpp"
#include "cli/terminal.hpp"
#include "cli/tool.hpp"
#include "cli/tune_file.hpp"
#include "cli/tune_measure.hpp"
#include "cli/tune_plan.hpp"
#include "cli/tune_schedules.hpp"
#include "node/ways_file.hpp"

namespace onecopy::cli {
namespace {

using node::Unmapped;
using node::Ways;

struct TuneOptions {
    bool print = false;
    bool dry_run = false;
};

constexpr std::uint64_t never = std::uint64_t{1} << 40;  // the largest that a setting holds
constexpr std::size_t ways_count = node::unmapped_names.size();

// How long each part takes, in milliseconds; a class of cores somewhat less than a second in all.
constexpr double shape_ms = 80, again_ms = 20, shared_ms = 20;
constexpr std::array<double, node::size_classes> way_ms{30, 40, 60, 70, 90, 150};

double gigabytes(std::uint64_t bytes, double seconds) {
    return static_cast<double>(bytes) / seconds / 1e9;
}

Ways all_by(Ways ways, Unmapped way) {
    ways.unmapped.fill(way);
    return ways;
}

/// One distance, step by step: prints what it measures.
class Tuning {
public:
    explicit Tuning(std::vector<CpuPair> pairs) : pairs_(std::move(pairs)) {}

    Ways tune() {
        choose_shape();
        choose_ways();
        choose_sharing();
        return chosen_;
    }

private:
    [[nodiscard]] Times measure(std::vector<Ways> candidates, std::vector<TuneSize> sizes,
                                bool in_arenas) const {
        return measure_ways({pairs_, std::move(candidates), std::move(sizes), in_arenas});
    }

    /// How many slots, and how large.
    void choose_shape() {
        std::vector<Ways> shapes{all_by({}, Unmapped::staged)};
        for (const std::uint32_t slot_bytes : {8U << 10, 16U << 10, 32U << 10}) {
            for (const std::uint32_t slots : {2U, 4U, 8U, 16U}) {
                Ways shape = shapes.front();
                shape.slot_bytes = slot_bytes;
                shape.slots = slots;
                if (shape != shapes.front()) shapes.push_back(shape);
            }
        }
        const auto sizes = [](double budget_ms) {
            return std::vector<TuneSize>{
                {64U << 10, budget_ms}, {256U << 10, budget_ms}, {1U << 20, budget_ms}};
        };
        const Times times = measure(shapes, sizes(shape_ms), false);
        std::size_t best = choose_overall(times, 0);
        if (best != 0) {
            // The best of a dozen had luck, too: with the pages of its slots, for one. Once more,
            // with others.
            const Times again = measure({shapes.front(), shapes[best]}, sizes(again_ms), false);
            if (choose_overall(again, 0) == 0) best = 0;
        }
        chosen_ = shapes[best];
        fmt::print("  slots       64 KiB   256 KiB     1 MiB   GB/s\n");
        for (std::size_t i = 0; i < shapes.size(); ++i) {
            const auto& row = times[i];
            fmt::print("  {:>2} x {:>2}K {:>9.1f} {:>9.1f} {:>9.1f}{}{}\n", shapes[i].slots,
                       shapes[i].slot_bytes >> 10, gigabytes(64U << 10, row[0]),
                       gigabytes(256U << 10, row[1]), gigabytes(1U << 20, row[2]),
                       i == 0 ? "   default" : "", i == best ? "   chosen" : "");
        }
    }

    /// What goes through these, and what by system calls.
    void choose_ways() {
        std::vector<Ways> candidates;
        for (std::size_t i = 0; i < ways_count; ++i) {
            candidates.push_back(all_by(chosen_, static_cast<Unmapped>(i)));
        }
        std::vector<TuneSize> sizes;
        for (std::size_t i = 0; i < node::size_classes; ++i) {
            sizes.push_back({class_bytes[i], way_ms[i]});
        }
        const Times times = measure(candidates, sizes, false);
        const auto standard = static_cast<std::size_t>(Ways{}.unmapped.front());
        std::vector<std::size_t> best = choose_each(times, standard);
        confirm(candidates, sizes, standard, best);
        fmt::print("  ordinary memory  call  both-call    staged   GB/s\n");
        for (std::size_t i = 0; i < node::size_classes; ++i) {
            chosen_.unmapped[i] = static_cast<Unmapped>(best[i]);
            fmt::print("  {:>11} {:>9.1f}  {:>9.1f} {:>9.1f}   {}\n", bytes_text(class_bytes[i]),
                       gigabytes(class_bytes[i], times[0][i]),
                       gigabytes(class_bytes[i], times[1][i]),
                       gigabytes(class_bytes[i], times[2][i]), node::unmapped_names[best[i]]);
        }
    }

    /// Leaves the default only where a second look says the same: of large messages there are few
    /// in the first.
    void confirm(const std::vector<Ways>& candidates, const std::vector<TuneSize>& all,
                 std::size_t standard, std::vector<std::size_t>& best) const {
        std::vector<TuneSize> sizes;
        for (std::size_t i = 0; i < best.size(); ++i) {
            if (best[i] != standard) sizes.push_back({all[i].bytes, all[i].budget_ms / 2});
        }
        if (sizes.empty()) return;
        const std::vector<std::size_t> again =
            choose_each(measure(candidates, sizes, false), standard);
        auto each = again.begin();
        for (std::size_t& one : best) {
            if (one != standard && *each++ != one) one = standard;
        }
    }

    /// From which size on both copy what is mapped.
    void choose_sharing() {
        const std::vector<std::uint64_t> bytes{16U << 10,  32U << 10,  64U << 10,
                                               128U << 10, 256U << 10, 1U << 20};
        std::vector<TuneSize> sizes;
        for (const std::uint64_t each : bytes) sizes.push_back({each, shared_ms});
        std::vector<Ways> candidates(2, chosen_);
        candidates[0].shared_from = never;
        candidates[1].shared_from = 1;
        const Times times = measure(candidates, sizes, true);
        chosen_.shared_from =
            choose_shared_from(bytes, times[0], times[1], Ways{}.shared_from, never);
        fmt::print("  arenas       one side     both   GB/s\n");
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            fmt::print("  {:>9} {:>11.1f} {:>8.1f}   {}\n", bytes_text(bytes[i]),
                       gigabytes(bytes[i], times[0][i]), gigabytes(bytes[i], times[1][i]),
                       bytes[i] >= chosen_.shared_from ? "both" : "one side");
        }
    }

    std::vector<CpuPair> pairs_;
    Ways chosen_;
};

std::string pairs_text(const std::vector<CpuPair>& pairs) {
    constexpr std::size_t shown = 4;
    std::string text;
    for (std::size_t i = 0; i < std::min(shown, pairs.size()); ++i) {
        text += fmt::format("{}{}-{}", i > 0 ? ", " : "", pairs[i].one, pairs[i].other);
    }
    return text + (pairs.size() > shown ? ", ..." : "");
}

/// As many as memory is free for: each has buffers for the largest message.
void limit_by_memory(std::vector<CpuPair>& pairs) {
    const std::uint64_t free_bytes = static_cast<std::uint64_t>(::sysconf(_SC_AVPHYS_PAGES)) *
                                     static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::uint64_t of_a_pair = 3 * class_bytes.back();
    const std::uint64_t most = std::max<std::uint64_t>(free_bytes / 2 / of_a_pair, 1);
    if (pairs.size() > most)
        pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(most), pairs.end());
}

void print_table(const node::WayTable& table) {
    for (std::size_t i = 0; i < os::distances; ++i) {
        fmt::print("{:<10} {}\n", node::distance_names[i], node::settings_text(table[i]));
    }
}

void print() {
    const node::LoadedWays loaded = [] {
        try {
            return node::load_ways();
        } catch (const std::system_error& error) {
            std::string line = error.what();
            constexpr std::string_view prefix = "onecopy: ";
            throw WrongInput("tune: " +
                             (line.starts_with(prefix) ? line.substr(prefix.size()) : line));
        }
    }();
    if (!loaded.file.empty()) {
        fmt::print("from {}\n", printable(loaded.file));
    } else {
        fmt::print("built in; `onecopy tune` measures them for this machine\n");
    }
    if (!loaded.ignored.empty()) fmt::print("left alone: {}\n", printable(loaded.ignored));
    if (!loaded.settings.empty()) fmt::print("and ONECOPY_WAYS={}\n", printable(loaded.settings));
    if (!loaded.schedule_settings.empty()) {
        fmt::print("and ONECOPY_SCHEDULES={}\n", printable(loaded.schedule_settings));
    }
    print_table(loaded.table);
    for (std::size_t i = 0; i < loaded.schedules.size(); ++i) {
        fmt::print("{}\n{}\n", node::company_names[i], settings_text(loaded.schedules[i], '\n'));
    }
}

/// CPUs for ranks of collective calls: two near each other, or one of each core.
std::vector<int> cpus_for(node::Company company, const std::vector<node::CpuSet>& cores) {
    constexpr std::size_t few = 4, most = 8;
    std::vector<int> cpus;
    if (company == node::Company::two) {
        for (const os::Distance distance :
             {os::Distance::same_l2, os::Distance::same_l3, os::Distance::same_node,
              os::Distance::farther, os::Distance::same_core}) {
            const std::vector<CpuPair> pairs = pairs_at(distance, cores, os::distance_between);
            if (!pairs.empty()) return {pairs[0].one, pairs[0].other};
        }
    } else if (cores.size() >= few) {
        for (std::size_t i = 0; i < std::min(cores.size(), most); ++i) cpus.push_back(cores[i][0]);
    }
    return cpus;
}

void tune_schedules(const std::vector<node::CpuSet>& cores, node::MeasuredWays& ways) {
    for (std::size_t i = 0; i < node::company_names.size(); ++i) {
        const auto company = static_cast<node::Company>(i);
        const std::vector<int> cpus = cpus_for(company, cores);
        if (cpus.empty()) {
            fmt::print("collective calls of more ranks: as built in (there are {} cores)\n",
                       cores.size());
            continue;
        }
        fmt::print("collective calls of {} ranks\n", cpus.size());
        const ScheduleChoice choice = choose_schedules(
            company,
            [&](const std::vector<ScheduleTask>& tasks) { return measure_schedules(cpus, tasks); });
        for (const std::string& line : choice.changes) fmt::print("  {}\n", line);
        fmt::print("  {} as built in\n", choice.changes.empty() ? "all" : "all else");
        ways.schedules[i] = choice.table;
        ways.schedules_measured[i] = true;
    }
}

void tune(bool keep) {
    const std::string machine = node::machine_facts();
    const std::string path = node::ways_path(machine);
    if (keep && path.empty()) {
        throw Failure(
            "tune: keep what is measured: neither XDG_CACHE_HOME nor HOME names a directory; set "
            "one, or give --dry-run");
    }
    const std::vector<node::CpuSet> cores = node::usable_cores();
    if (cores.empty()) {
        throw Failure(
            "tune: find the cores: hwloc describes another machine; unset HWLOC_XMLFILE and "
            "HWLOC_SYNTHETIC");
    }
    if (keep) make_room_for(path);  // before some seconds are spent
    // What was measured at other times, with other cores, stays.
    node::MeasuredWays ways;
    std::string why;
    if (!path.empty()) node::read_ways_file(path, machine, ways, why);

    bool any = false;
    for (std::size_t i = 0; i < os::distances; ++i) {
        std::vector<CpuPair> pairs =
            pairs_at(static_cast<os::Distance>(i), cores, os::distance_between);
        if (pairs.empty()) continue;
        limit_by_memory(pairs);
        any = true;
        fmt::print("{}: {} pair{} of CPUs ({})\n", node::distance_names[i], pairs.size(),
                   pairs.size() == 1 ? "" : "s at once", pairs_text(pairs));
        ways.table[i] = Tuning(std::move(pairs)).tune();
        ways.measured[i] = true;
        fmt::print("  {}\n", node::settings_text(ways.table[i]));
    }
    if (!any) {
        fmt::print(
            "This process may use one core only: there is nothing to measure between two.\n");
        return;
    }
    tune_schedules(cores, ways);
    if (!keep) return;
    replace_file(path, node::file_text(ways, machine));
    fmt::print("written to {}\n", printable(path));
}

}  // namespace

void add_tune_command(CLI::App& app, int& exit_status) {
    CLI::App& command = add_command(
        app, "tune", "Measure which way messages and collective calls are to go on this machine",
        "Sends messages between cores of each distance (hardware threads of a core, a common L2, "
        "a\n"
        "common L3, a memory node, farther) in each of the ways that there are, about a second "
        "for\n"
        "each distance, then makes collective calls by each schedule, about five, and keeps for "
        "this\n"
        "machine what was fastest. Ranks that start afterwards go by it. Run it when nothing else "
        "runs.\n"
        "\n"
        "Examples:\n"
        "  onecopy tune\n"
        "  onecopy tune --print                              what ranks would use now\n"
        "  ONECOPY_WAYS=unmapped=call onecopy run -n 2 -- ./program    something else for once\n");
    auto options = std::make_shared<TuneOptions>();
    CLI::Option* const print_flag =
        command.add_flag("--print", options->print, "Print what ranks use, and where it is from");
    command.add_flag("--dry-run", options->dry_run, "Measure and print, and keep nothing")
        ->excludes(print_flag);
    command.callback([options, &exit_status] {
        exit_status = 0;
        if (options->print) return print();
        tune(!options->dry_run);
    });
}

}  // namespace onecopy::cli
