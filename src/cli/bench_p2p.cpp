#include "cli/bench_p2p.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <system_error>

#include "cli/bench_p2p_roudi.hpp"
#include "cli/bench_p2p_ways.hpp"
#include "cli/bench_timing.hpp"
#include "cli/bench_turns.hpp"
#include "node/ways_file.hpp"

namespace onecopy::cli {
namespace {

constexpr std::string_view asked = "bench p2p";
constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t window = 64;  // messages of a stream
constexpr std::uint64_t max_window_bytes = 64 * mib;

struct WorkPlan {
    std::string_view name;
    std::string_view heading;
    std::vector<std::uint64_t> sizes;          // for ranks with a core each
    std::vector<std::uint64_t> crowded_sizes;  // for more ranks than two
    std::uint64_t under_way = 1;               // messages of one sender at once
};

const std::vector<WorkPlan>& work_plans() {
    static const std::vector<WorkPlan> plans = {
        {"latency", "latency: half a round trip", {8, 64, 512, kib, 4 * kib}, {8, 4 * kib}, 1},
        {"bandwidth",
         "bandwidth: one message one way, source just written",
         {64, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, 512 * kib, mib, 2 * mib, 4 * mib,
          16 * mib},
         {64 * kib, mib},
         1},
        {"bandwidth_cold",
         "bandwidth_cold: the same, both buffers driven out of all caches before",
         {64 * kib, 256 * kib, mib, 4 * mib, 16 * mib},
         {},
         1},
        {"bidirectional",
         "bidirectional: a message each way at once",
         {4 * kib, 64 * kib, 256 * kib, mib, 4 * mib},
         {64 * kib, mib},
         1},
        {"stream",
         "stream: 64 messages one way, all under way at once",
         {8, kib, 4 * kib, 16 * kib, 64 * kib},
         {8, 4 * kib},
         window},
        {"message_rate",
         "message_rate: windows of 64 messages, each window answered; the time of one message",
         {8},
         {8},
         window},
        {"incast",
         "incast: all ranks but the first send it a message at once",
         {},
         {64, 4 * kib, 64 * kib, mib},
         1}};
    return plans;
}

constexpr std::array<std::string_view, 7> works = {
    "latency", "bandwidth", "bandwidth_cold", "bidirectional", "stream", "message_rate", "incast"};

/// Before the name of a way, in the report's list of libraries.
const std::string library_of = "p2p ";

const WorkPlan& plan_of_work(std::string_view work) {
    const auto& plans = work_plans();
    return *std::find_if(plans.begin(), plans.end(),
                         [work](const WorkPlan& plan) { return plan.name == work; });
}

/// Bytes that all ranks together send in one operation.
std::uint64_t moved_bytes(std::string_view work, int ranks, std::uint64_t bytes) {
    const auto count = static_cast<std::uint64_t>(ranks);
    if (work == "incast") return (count - 1) * bytes;
    if (work == "bidirectional") return count * bytes;
    return count / 2 * bytes * (work == "stream" ? window : 1);
}

/// How large the blocks are in which the ways take turns: some hundred microseconds.
TurnPlan turn_of(const P2pBench& bench, std::string_view work, std::uint64_t bytes, bool crowded) {
    TurnPlan plan;
    plan.work = work;
    plan.bytes = bytes;
    plan.takes_part = [work](std::string_view way) { return does(way, work); };
    plan.corrupt = bench.corrupt;
    plan.guard_ms = bench.guard_ms;
    plan.budget_us = bench.budget_ms * 1e3;
    plan.least_rounds = bench.least_rounds;
    plan.most_rounds = 200;
    if (bench.rounds > 0) plan.least_rounds = plan.most_rounds = bench.rounds;
    const bool loops = work == "latency" || work == "message_rate";
    if (loops) {
        plan.warm_ups = 1;
        plan.operations = 2;
        plan.loop_us = crowded ? 2'000 : 500;
        plan.most_iterations = 2'000;
        plan.parts = work == "latency" ? 2 : static_cast<double>(window);
        return plan;
    }
    const std::uint64_t all = bytes * plan_of_work(work).under_way;
    plan.warm_ups = all <= 64 * kib ? 3 : all <= mib ? 2 : 1;
    plan.operations = all <= 64 * kib ? 16 : all <= mib ? 6 : 2;
    if (crowded) {  // an operation may wait for several turns of the scheduler
        plan.warm_ups = 1;
        plan.operations = std::min(plan.operations, 4U);
    }
    return plan;
}

/// The room that one rank needs for all it may have under way.
std::uint64_t area_of(const P2pBench& bench, int ranks) {
    constexpr std::uint64_t line = 64;
    std::uint64_t area = window * line;
    for (const std::string& work : bench.works) {
        const std::uint64_t count =
            work == "incast" ? static_cast<std::uint64_t>(ranks) : plan_of_work(work).under_way;
        for (const std::uint64_t bytes : p2p_sizes(bench, work, ranks)) {
            area = std::max(area, count * ((bytes + line - 1) / line * line));
        }
    }
    return area;
}

std::uint64_t largest_of(const P2pBench& bench, int ranks) {
    std::uint64_t largest = 8;
    for (const std::string& work : bench.works) {
        for (const std::uint64_t bytes : p2p_sizes(bench, work, ranks)) {
            largest = std::max(largest, bytes);
        }
    }
    return largest;
}

/// All works of one number of ranks: one job of each way, from the first work to the last.
class P2pGroup {
public:
    P2pGroup(const P2pBench& bench, int ranks, std::span<const int> cpus, Report& report)
        : bench_(bench), ranks_(ranks), cpus_(cpus), report_(report), turns_(report.notes) {}

    void run(const JobYard& yard, std::FILE* out) {
        const JobSize size{ranks_, cpus_, area_of(bench_, ranks_), largest_of(bench_, ranks_)};
        const std::size_t before = report_.notes.size();
        std::optional<RouDi> roudi;
        const std::vector<JobPlan> plans = plans_for(yard, size, roudi);
        turns_.start(yard, plans, size, bench_.guard_ms);
        for (const auto& job : turns_.jobs()) {
            report_.machine.libraries[library_of + job->way()] = job->library();
        }
        for (const std::string& work : bench_.works) measure(work, out);
        turns_.end();
        // With several numbers of ranks it must be clear which.
        for (std::size_t i = before; bench_.ranks.size() > 1 && i < report_.notes.size(); ++i) {
            report_.notes[i] = fmt::format("{} ranks: {}", ranks_, report_.notes[i]);
        }
    }

private:
    std::vector<JobPlan> plans_for(const JobYard& yard, const JobSize& size,
                                   std::optional<RouDi>& roudi) {
        std::vector<JobPlan> plans;
        for (const P2pWay& way : p2p_ways()) {
            const std::string name(way.name);
            if (std::find(bench_.ways.begin(), bench_.ways.end(), name) == bench_.ways.end())
                continue;
            try {
                if (const auto found = bench_.instead.find(name); found != bench_.instead.end()) {
                    plans.push_back({name, found->second, false, {}});
                    continue;
                }
                JobPlan plan = plan_of(way, ranks_, cpus_.size());
                if (name == "iceoryx") {
                    roudi.emplace(yard, ranks_, size.area_bytes, size.largest);
                    if (roudi->found()) {
                        report_.notes.emplace_back(
                            "iceoryx: a RouDi was running; its configuration decides which sizes "
                            "it carries.");
                    }
                }
                plans.push_back(std::move(plan));
            } catch (const JobLost& lost) {
                report_.notes.push_back(fmt::format("{} is left out: {}", name, lost.what()));
            }
        }
        return plans;
    }

    void measure(const std::string& work, std::FILE* out) {
        const std::size_t first = report_.rows.size();
        const bool crowded = static_cast<std::size_t>(ranks_) > cpus_.size();
        for (const std::uint64_t bytes : p2p_sizes(bench_, work, ranks_)) {
            for (TurnSamples& samples : turns_.measure(turn_of(bench_, work, bytes, crowded))) {
                report_.rows.push_back(make_row("p2p", work, samples.way, ranks_, bytes,
                                                moved_bytes(work, ranks_, bytes), samples.us,
                                                samples.verified));
            }
        }
        const auto rows = std::span<const Row>(report_.rows).subspan(first);
        print_rows(out, std::string(plan_of_work(work).heading), rows, "best MPI",
                   [rows](const Row& row) { return best_mpi(rows, row); });
        std::fflush(out);
    }

    const P2pBench& bench_;
    int ranks_;
    std::span<const int> cpus_;
    Report& report_;
    JobTurns turns_;
};

/// Which way onecopy's large messages go.
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

void describe_conditions(const P2pBench& bench, std::span<const int> cpus, Report& report) {
    std::vector<std::string>& notes = report.notes;
    if (cpus.empty()) {
        notes.emplace_back("The ranks are not bound to cores.");
    } else {
        notes.push_back(fmt::format("Rank i of every way is bound to core i of {}{}.",
                                    fmt::join(cpus, ","),
                                    static_cast<std::size_t>(bench.ranks.back()) > cpus.size()
                                        ? ", and round again: such ranks share cores"
                                        : ""));
    }
    notes.push_back(ways_in_use());
    notes.emplace_back(
        "One operation after a barrier of the bench's own, from the first rank's begin to the last "
        "one's end; the ways take turns, block by block. Sources are rewritten and results "
        "verified outside the clock.");
    notes.emplace_back(
        "Cache state: the source was just written by its owner, the destination just overwritten "
        "by the receiver; in bandwidth_cold both are in no cache (buffers inside a library are "
        "not evicted). In latency and message_rate the buffers are used over and over.");
    notes.emplace_back(
        "boost-offset and iceoryx copy zero times: the operation is over when the receiver knows "
        "where the message lies, before it has read any of it, and the sender must have written it "
        "into memory of the library's. zeromq reads in place what the kernel has copied twice.");
    notes.emplace_back(
        "\"best MPI\" is the fastest of openmpi, openmpi-nocma, mpich and mpich-posix at that "
        "point, of those that are not left out.");
    notes.emplace_back(
        "Not measured: cores that share no cache, several NUMA nodes, derived datatypes, tags and "
        "wildcards, progress while computing, allocation of messages by boost-offset.");
}

}  // namespace

std::span<const std::string_view> p2p_work_names() noexcept { return works; }

std::vector<std::uint64_t> p2p_sizes(const P2pBench& bench, std::string_view work, int ranks) {
    const WorkPlan& plan = plan_of_work(work);
    if (work == "incast" && ranks == 2) return {};  // it would be bandwidth
    std::vector<std::uint64_t> sizes = ranks == 2 ? plan.sizes : plan.crowded_sizes;
    if (!bench.sizes.empty() && work != "message_rate") sizes = bench.sizes;
    std::erase_if(sizes,
                  [&](std::uint64_t bytes) { return bytes * plan.under_way > max_window_bytes; });
    return sizes;
}

namespace {

/// "openmpi: Open MPI v4.1.4; ..."
std::string compared_libraries(const Machine& machine) {
    std::string text;
    for (const auto& [name, version] : machine.libraries) {
        if (!name.starts_with(library_of)) continue;
        text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", name.substr(library_of.size()),
                            version);
    }
    return text;
}

}  // namespace

Report run_p2p_bench(const P2pBench& bench, std::FILE* out) {
    const std::vector<int> cpus = usable_cpus();
    Report report;
    report.title = "onecopy bench p2p";
    report.machine = this_machine();
    describe_conditions(bench, cpus, report);
    const JobYard yard(asked);
    for (const int ranks : bench.ranks) P2pGroup(bench, ranks, cpus, report).run(yard, out);
    report.notes.push_back(fmt::format("Compared were {}.", compared_libraries(report.machine)));
    if (std::string note = where_copying_nothing_wins(report.rows); !note.empty()) {
        report.notes.push_back(std::move(note));
    }
    for (std::string& note : worst_of_p2p(report.rows)) report.notes.push_back(std::move(note));
    return report;
}

}  // namespace onecopy::cli
