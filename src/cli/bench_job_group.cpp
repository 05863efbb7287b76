#include "cli/bench_job_group.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "cli/bench_options.hpp"
#include "cli/bench_timing.hpp"
#include "node/ways_file.hpp"

namespace onecopy::cli {
namespace {

/// All works of one number of ranks: one job of each way, from the first work to the last.
class JobGroup {
public:
    JobGroup(const JobBench& bench, JobWorks& works, int ranks, std::span<const int> cpus,
             Report& report)
        : bench_(bench),
          works_(works),
          ranks_(ranks),
          cpus_(cpus),
          report_(report),
          turns_(report.notes) {}

    void run(const JobYard& yard, std::FILE* out) {
        const std::size_t before = report_.notes.size();
        const JobSize size = size_of_jobs();
        turns_.start(yard, plans_for(yard, size), size, bench_.guard_ms);
        for (const auto& job : turns_.jobs()) {
            report_.machine.libraries[library_of(works_.name()) + job->way()] = job->library();
        }
        for (const std::string& work : bench_.works) measure(work, out);
        turns_.end();
        works_.clean_up();
        // With several numbers of ranks it must be clear which.
        for (std::size_t i = before; bench_.ranks.size() > 1 && i < report_.notes.size(); ++i) {
            report_.notes[i] = fmt::format("{} ranks: {}", ranks_, report_.notes[i]);
        }
    }

    /// Before the name of a way, in the report's list of libraries.
    static std::string library_of(std::string_view bench) { return std::string(bench) + " "; }

private:
    [[nodiscard]] bool crowded() const noexcept {
        return static_cast<std::size_t>(ranks_) > cpus_.size();
    }

    [[nodiscard]] JobSize size_of_jobs() const {
        constexpr std::uint64_t least_area = 4096;
        JobSize size{ranks_, cpus_, least_area, 8};
        for (const std::string& work : bench_.works) {
            for (const std::uint64_t bytes : works_.sizes(work, ranks_)) {
                size.area_bytes = std::max(size.area_bytes, works_.room(work, ranks_, bytes));
                size.largest = std::max(size.largest, bytes);
            }
        }
        return size;
    }

    std::vector<JobPlan> plans_for(const JobYard& yard, const JobSize& size) {
        std::vector<JobPlan> plans;
        for (const JobWay& way : works_.ways()) {
            const std::string name(way.name);
            if (std::find(bench_.ways.begin(), bench_.ways.end(), name) == bench_.ways.end())
                continue;
            try {
                if (const auto found = bench_.instead.find(name); found != bench_.instead.end()) {
                    plans.push_back({name, found->second, false, {}});
                    continue;
                }
                JobPlan plan = plan_of(way, ranks_, cpus_.size());
                works_.prepare(way, yard, size, report_.notes);
                plans.push_back(std::move(plan));
            } catch (const JobLost& lost) {
                report_.notes.push_back(fmt::format("{} is left out: {}", name, lost.what()));
            }
        }
        return plans;
    }

    [[nodiscard]] TurnPlan turn_of(const std::string& work, std::uint64_t bytes) const {
        TurnPlan plan = works_.turn(work, bytes, crowded());
        plan.work = work;
        plan.bytes = bytes;
        plan.corrupt = bench_.corrupt;
        plan.guard_ms = bench_.guard_ms;
        plan.budget_us = bench_.budget_ms * 1e3;
        plan.least_rounds = bench_.least_rounds;
        plan.most_rounds = 200;
        if (bench_.rounds > 0) plan.least_rounds = plan.most_rounds = bench_.rounds;
        return plan;
    }

    /// The ways that take their turns behind the others, or the others.
    void measure_those(const std::string& work, std::uint64_t bytes, bool behind) {
        TurnPlan plan = turn_of(work, bytes);
        plan.takes_part = [&, does = std::move(plan.takes_part)](std::string_view way) {
            return works_.comes_behind(way, crowded()) == behind && (!does || does(way));
        };
        for (TurnSamples& samples : turns_.measure(plan)) {
            report_.rows.push_back(make_row(works_.name(), work, samples.way, ranks_, bytes,
                                            works_.moved(work, ranks_, bytes), samples.us,
                                            samples.verified));
        }
    }

    void measure(const std::string& work, std::FILE* out) {
        const std::size_t first = report_.rows.size();
        for (const std::uint64_t bytes : works_.sizes(work, ranks_)) {
            for (const bool behind : {false, true}) measure_those(work, bytes, behind);
        }
        const auto rows = std::span<const Row>(report_.rows).subspan(first);
        print_rows(out, works_.heading(work), rows, works_.base_name(work),
                   [&](const Row& row) { return works_.base_of(rows, row); });
        std::fflush(out);
    }

    const JobBench& bench_;
    JobWorks& works_;
    int ranks_;
    std::span<const int> cpus_;
    Report& report_;
    JobTurns turns_;
};

/// "openmpi: Open MPI v4.1.4; ..."
std::string compared_libraries(const Machine& machine, std::string_view bench) {
    const std::string before = JobGroup::library_of(bench);
    std::string text;
    for (const auto& [name, version] : machine.libraries) {
        if (!name.starts_with(before)) continue;
        text +=
            fmt::format("{}{}: {}", text.empty() ? "" : "; ", name.substr(before.size()), version);
    }
    return text;
}

template <class Is>
const Row* best_of(std::span<const Row> rows, const Row& row, Is&& is) noexcept {
    const Row* best = nullptr;
    for (const Row& other : rows) {
        if (other.work != row.work || other.ranks != row.ranks || other.bytes != row.bytes ||
            !is(other.way)) {
            continue;
        }
        if (best == nullptr || other.median_us < best->median_us) best = &other;
    }
    return best;
}

}  // namespace

void run_job_bench(const JobBench& bench, JobWorks& works, std::FILE* out, Report& report) {
    const std::vector<int> cpus = usable_cpus();
    report.machine = this_machine();
    report.notes.insert(report.notes.begin(), {binding_note(bench, cpus), ways_in_use()});
    const JobYard yard(fmt::format("bench {}", works.name()));
    for (const int ranks : bench.ranks) {
        JobGroup(bench, works, ranks, cpus, report).run(yard, out);
    }
    report.notes.push_back(
        fmt::format("Compared were {}.", compared_libraries(report.machine, works.name())));
}

std::string binding_note(const JobBench& bench, std::span<const int> cpus) {
    if (cpus.empty()) return "The ranks are not bound to cores.";
    const bool crowded = static_cast<std::size_t>(bench.ranks.back()) > cpus.size();
    return fmt::format("Rank i of every way is bound to core i of {}{}.", fmt::join(cpus, ","),
                       crowded ? ", and round again: such ranks share cores" : "");
}

std::string ways_in_use() {
    try {
        const node::LoadedWays ways = node::load_ways();
        return fmt::format("Ways of onecopy's large messages: {}{}{}.",
                           ways.file.empty() ? "as built in" : "as `onecopy tune` measured them",
                           ways.settings.empty() ? "" : ", and ONECOPY_WAYS=", ways.settings);
    } catch (const std::system_error&) {
        return "ONECOPY_WAYS is wrong, so onecopy cannot be measured.";
    }
}

const Row* best_mpi(std::span<const Row> rows, const Row& row) noexcept {
    return best_of(rows, row, is_mpi_setting);
}

const Row* best_openmpi(std::span<const Row> rows, const Row& row) noexcept {
    return best_of(rows, row, is_openmpi_setting);
}

std::vector<std::string> worst_of_ours(std::span<const Row> rows) {
    constexpr int judged_ranks = 2;
    std::vector<std::string> notes;
    for (const std::string_view way : {prepared_way, unprepared_way}) {
        const Row* worst = nullptr;
        double worst_ratio = 0;
        for (const Row& row : rows) {
            const Row* rival = best_mpi(rows, row);
            if (row.way != way || row.ranks != judged_ranks || rival == nullptr ||
                row.median_us <= 0) {
                continue;
            }
            const double ratio = rival->median_us / row.median_us;
            if (worst == nullptr || ratio < worst_ratio) {
                worst = &row;
                worst_ratio = ratio;
            }
        }
        if (worst == nullptr) continue;
        notes.push_back(fmt::format(
            "Worst of {} against the best MPI, {} ranks: {} of {}, {:.2f} times as fast.", way,
            judged_ranks, worst->work, human_bytes(worst->bytes), worst_ratio));
    }
    return notes;
}

}  // namespace onecopy::cli
