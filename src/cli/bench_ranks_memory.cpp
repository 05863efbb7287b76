// `onecopy bench ranks`, work `memory`: what a rank that talks to some others has for itself.
#include <fmt/format.h>

#include <string>

#include "cli/bench_ranks_job.hpp"
#include "cli/bench_ranks_works.hpp"
#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

constexpr std::string_view asked = "bench ranks: memory";
constexpr int empty_processes = 5;

double kib(std::uint64_t bytes) noexcept { return static_cast<double>(bytes) / 1024; }

/// The median over some runs of the empty program.
double empty_kib(const RanksBench& bench, Report& report) {
    std::vector<double> samples;
    for (int i = 0; i < empty_processes; ++i) {
        RanksJob job(asked);
        job.start({bench.empty, "{board}"});
        job.wait(PatientGuard(bench.guard_ms));
        job.check(1, "an empty process");
        samples.push_back(kib(job.board().lines[0].memory.private_dirty()));
    }
    report.figures.push_back(make_figure("ranks", "memory", "an empty process", "KiB", 1, samples));
    return report.figures.back().median;
}

void measure_job(const RanksBench& bench, int ranks, double empty, Report& report) {
    RanksJob job(asked);
    job.start({bench.tool, "run", "-n", std::to_string(ranks), "--bind", "none", "--", bench.driver,
               "memory", "{board}", std::to_string(bench.peers)});
    if (!job.wait(PatientGuard(bench.start_guard_ms))) {
        throw Failure(
            fmt::format("{}: {} ranks have not ended within {:g} s and were killed; try "
                        "fewer --ranks",
                        asked, ranks, bench.start_guard_ms / 1e3));
    }
    job.check(ranks, fmt::format("{} ranks", ranks));
    const double share = kib(job.board().lines[0].memory.job) / ranks;
    std::vector<double> heap, stacks, files, anonymous, arena, of_job, above;
    for (int rank = 0; rank < ranks; ++rank) {
        const BoardLine& line = job.board().lines[static_cast<std::size_t>(rank)];
        if (!line.has(Seen::memory)) {
            throw Failure(
                fmt::format("{}: rank {} of {} has ended before it was counted; report it", asked,
                            rank, ranks));
        }
        const RankMemory& memory = line.memory;
        heap.push_back(kib(memory.heap));
        stacks.push_back(kib(memory.stacks));
        files.push_back(kib(memory.files));
        anonymous.push_back(kib(memory.anonymous));
        arena.push_back(kib(memory.arena));
        of_job.push_back(share);
        above.push_back(kib(memory.private_dirty() + memory.arena) + share - empty);
    }
    const auto add = [&](std::string_view what, std::vector<double>& samples) {
        report.figures.push_back(make_figure("ranks", "memory", what, "KiB", ranks, samples));
    };
    add("private: heap", heap);
    add("private: stack", stacks);
    add("private: program, libraries", files);
    add("private: all else", anonymous);
    add("its arena's file, without messages", arena);
    add("its share of the job's memory", of_job);
    add(figure_names::above_empty, above);
}

}  // namespace

void measure_memory(const RanksBench& bench, Report& report) {
    const double empty = empty_kib(bench, report);
    const int alone = bench.peers + 1;
    measure_job(bench, alone, empty, report);
    if (bench.ranks > alone) measure_job(bench, bench.ranks, empty, report);
    report.notes.push_back(fmt::format(
        "memory: each rank talks to {} others: messages of 4 KiB to all of them at once until "
        "every ring between them has been used from end to end, and of 256 KiB from its arena and "
        "from ordinary memory into both kinds, both ways. Then it counts: Private_Dirty of its "
        "private mappings in /proc/self/smaps, its message buffers given back before; what its "
        "arena's file has allocated beyond the message buffers; and what the job's memory has "
        "allocated, divided by the ranks. Linked with libonecopy.so; the empty process is a C++ "
        "program without it. Not counted: what the kernel keeps (page tables, descriptors), "
        "peers' arenas that are mapped here (their owners' memory). Not measured: ranks with a "
        "core each, which have up to four stages of 288 KiB for large messages out of ordinary "
        "memory, more than these have.",
        bench.peers));
}

}  // namespace onecopy::cli
