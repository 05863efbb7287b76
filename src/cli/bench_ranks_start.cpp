// `onecopy bench ranks`, works `start` and `collectives`: a large job from the launcher's start to
// its end.
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "cli/bench_ranks_job.hpp"
#include "cli/bench_ranks_works.hpp"
#include "cli/bench_timing.hpp"
#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

/// Something that a job does once, from the launcher's start to its end.
struct Once {
    std::string_view work;  // what the ranks are told to do
    std::string_view met;   // the two things that a rank has done
    std::string_view done;
    std::string_view means;  // the same in the caption
};

constexpr Once start = {"start", "it has passed the barrier", "it has its neighbour's message",
                        "A rank sends 1 KiB to its right neighbour and verifies what came from the "
                        "left."};
constexpr Once collectives = {
    "collectives", "it has passed the allreduce", "it has passed the allgather",
    "The ranks add up a number each (allreduce), then tell all theirs (allgather); each verifies "
    "what it has."};

void measure_once(const RanksBench& bench, const Once& once, Report& report) {
    const std::string asked = fmt::format("bench ranks: {}", once.work);
    const std::string work(once.work);
    RanksJob job(asked);
    const std::int64_t begin = now_ns();
    job.start({bench.tool, "run", "-n", std::to_string(bench.ranks), "--bind", "none", "--",
               bench.driver, work, "{board}"});
    const bool ended = job.wait(PatientGuard(bench.start_guard_ms));
    const std::int64_t end = now_ns();
    if (!ended) {
        throw Failure(
            fmt::format("{}: {} ranks have not ended within {:g} s and were killed; try "
                        "fewer --ranks",
                        asked, bench.ranks, bench.start_guard_ms / 1e3));
    }
    job.check(bench.ranks, fmt::format("{} ranks", bench.ranks));
    const auto since_begin = [begin](std::int64_t then) {
        return static_cast<double>(then - begin) / 1e9;
    };
    std::vector<double> joined, met, done, over = {since_begin(end)};
    for (int rank = 0; rank < bench.ranks; ++rank) {
        const BoardLine& line = job.board().lines[static_cast<std::size_t>(rank)];
        if (!line.has(Seen::verified)) {
            throw Failure(
                fmt::format("{}: rank {} of {} has ended before it had all that it waited for; "
                            "report it",
                            asked, rank, bench.ranks));
        }
        joined.push_back(since_begin(line.joined_ns));
        met.push_back(since_begin(line.met_ns));
        done.push_back(since_begin(line.done_ns));
    }
    const auto add = [&](std::string_view what, std::vector<double>& samples) {
        report.figures.push_back(make_figure("ranks", work, what, "s", bench.ranks, samples));
    };
    add("a rank has joined", joined);
    add(once.met, met);
    add(once.done, done);
    add(figure_names::ended, over);
    report.notes.push_back(
        fmt::format("{}: `onecopy run -n {} --bind none` on {} cores, seconds since its start, "
                    "by the ranks' own clocks (CLOCK_MONOTONIC). {} One job, not repeated. Not "
                    "measured: a cold file cache, ranks that allocate much.",
                    work, bench.ranks, report.machine.cores, once.means));
}

}  // namespace

void measure_start(const RanksBench& bench, Report& report) { measure_once(bench, start, report); }

void measure_collectives(const RanksBench& bench, Report& report) {
    measure_once(bench, collectives, report);
}

}  // namespace onecopy::cli
