#include "cli/bench_collectives.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cli/bench_options.hpp"

namespace onecopy::cli {
namespace {

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t most_room = 64 * mib;  // of one rank

using Launcher = JobWay::Launcher;

constexpr std::string_view overlapping = "_overlap";
constexpr std::string_view computing = "computing";  // alone
constexpr std::string_view gloo = "gloo";

constexpr std::array<JobWay, 8> ways = {{
    {"onecopy", "onecopy-collectives-onecopy", "", Launcher::onecopy},
    {"onecopy-ordinary", "onecopy-collectives-onecopy", "", Launcher::onecopy},
    {"openmpi", "onecopy-collectives-openmpi", "libopenmpi-dev, openmpi-bin", Launcher::openmpi},
    {"openmpi-nocma", "onecopy-collectives-openmpi", "libopenmpi-dev, openmpi-bin",
     Launcher::openmpi},
    {"mpich", "onecopy-collectives-mpich", "libmpich-dev, mpich", Launcher::mpich},
    {"mpich-posix", "onecopy-collectives-mpich", "libmpich-dev, mpich", Launcher::mpich},
    {gloo, "onecopy-collectives-gloo", "libgloo-dev"},
    {computing, "onecopy-collectives-computing", ""},
}};

/// Who moves what in one operation, in messages of the row's bytes.
enum class Pattern {
    nothing,  // a barrier
    vectors,  // every rank has a vector of these bytes: one message for each
    to_one,   // each rank but the root has, or gets, a part of these bytes
    to_all    // each rank has such a part for, or of, each
};

/// Which sizes a work is measured at.
enum class Sizes { none, all, parts, few, stream, overlap };

struct WorkPlan {
    std::string_view name;
    std::string_view heading;
    Pattern pattern;
    Sizes sizes;
    bool all_meet;  // nobody can be done before everybody has begun
};

constexpr std::array<WorkPlan, 20> plans = {{
    {"barrier", "barrier", Pattern::nothing, Sizes::none, true},
    {"bcast", "bcast: rank 0's bytes to all", Pattern::vectors, Sizes::all, false},
    {"gather", "gather: each rank's bytes to rank 0", Pattern::to_one, Sizes::few, false},
    {"scatter", "scatter: so many bytes of rank 0 to each rank", Pattern::to_one, Sizes::few,
     false},
    {"allgather", "allgather: each rank's bytes to all", Pattern::to_all, Sizes::parts, true},
    {"alltoall", "alltoall: so many bytes of each rank to each", Pattern::to_all, Sizes::parts,
     true},
    {"reduce", "reduce: each rank's doubles added up at rank 0", Pattern::vectors, Sizes::all,
     false},
    {"allreduce", "allreduce: each rank's doubles added up for all", Pattern::vectors, Sizes::all,
     true},
    {"reduce_scatter", "reduce_scatter: the same, and so many bytes of the sum to each rank",
     Pattern::to_all, Sizes::few, true},
    {"scan", "scan: the doubles of the ranks up to each added up", Pattern::vectors, Sizes::few,
     false},
    {"exscan", "exscan: of those before it", Pattern::vectors, Sizes::few, false},
    {"barrier_stream", "barrier_stream: barriers back to back, the time of one", Pattern::nothing,
     Sizes::none, true},
    {"bcast_stream", "bcast_stream: bcasts back to back, the time of one", Pattern::vectors,
     Sizes::stream, false},
    {"allreduce_stream", "allreduce_stream: allreduces back to back, the time of one",
     Pattern::vectors, Sizes::stream, true},
    {"ibcast", "ibcast: begun, and waited for at once", Pattern::vectors, Sizes::overlap, false},
    {"ibcast_overlap", "ibcast_overlap: begun, then computing, then waited for", Pattern::vectors,
     Sizes::overlap, false},
    {"ialltoall", "ialltoall: begun, and waited for at once", Pattern::to_all, Sizes::overlap,
     true},
    {"ialltoall_overlap", "ialltoall_overlap: begun, then computing, then waited for",
     Pattern::to_all, Sizes::overlap, false},
    {"iallreduce", "iallreduce: begun, and waited for at once", Pattern::vectors, Sizes::overlap,
     true},
    {"iallreduce_overlap", "iallreduce_overlap: begun, then computing, then waited for",
     Pattern::vectors, Sizes::overlap, false},
}};

constexpr auto names = [] {
    std::array<std::string_view, plans.size()> all{};
    std::transform(plans.begin(), plans.end(), all.begin(),
                   [](const WorkPlan& plan) { return plan.name; });
    return all;
}();

const WorkPlan& plan_of_work(std::string_view work) {
    return *std::find_if(plans.begin(), plans.end(),
                         [work](const WorkPlan& plan) { return plan.name == work; });
}

/// Bytes that a rank has of a vector, or of all parts.
std::uint64_t room_of(const WorkPlan& plan, int ranks, std::uint64_t bytes) noexcept {
    const bool in_parts = plan.pattern == Pattern::to_one || plan.pattern == Pattern::to_all;
    return in_parts ? bytes * static_cast<std::uint64_t>(ranks) : bytes;
}

bool is_stream(std::string_view work) noexcept { return work.ends_with("_stream"); }
bool is_overlap(std::string_view work) noexcept { return work.ends_with(overlapping); }

/// More ranks than two share the cores of a small machine, and its caches.
std::vector<std::uint64_t> own_sizes(const WorkPlan& plan, bool two) {
    switch (plan.sizes) {
        case Sizes::none:
            return {0};
        case Sizes::all:
            if (!two) return {8, 4 * kib, 64 * kib, mib};
            return {8, 64, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, mib, 4 * mib, 16 * mib};
        case Sizes::parts:
            if (!two) return {8, 4 * kib, 64 * kib};
            return {8, 64, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, mib, 4 * mib};
        case Sizes::few:
            if (!two) return {8, 64 * kib};
            return {8, kib, 64 * kib, mib};
        case Sizes::stream:
            if (!two) return {8, 4 * kib};
            return {8, kib, 16 * kib, 64 * kib};
        case Sizes::overlap:
            if (!two) return {64 * kib};
            return {64 * kib, mib, 4 * mib};
    }
    return {};
}

class CollectivesWorks final : public JobWorks {
public:
    explicit CollectivesWorks(const CollectivesBench& bench) : bench_(bench) {}

    [[nodiscard]] std::string_view name() const override { return "collectives"; }
    [[nodiscard]] std::span<const JobWay> ways() const override { return collectives_ways(); }
    [[nodiscard]] std::string heading(std::string_view work) const override {
        return std::string(plan_of_work(work).heading);
    }
    [[nodiscard]] std::vector<std::uint64_t> sizes(std::string_view work,
                                                   int ranks) const override {
        return collectives_sizes(bench_, work, ranks);
    }

    [[nodiscard]] std::uint64_t room(std::string_view work, int ranks,
                                     std::uint64_t bytes) const override {
        return room_of(plan_of_work(work), ranks, bytes);
    }

    [[nodiscard]] std::uint64_t moved(std::string_view work, int ranks,
                                      std::uint64_t bytes) const override {
        const auto count = static_cast<std::uint64_t>(ranks);
        switch (plan_of_work(work).pattern) {
            case Pattern::nothing:
                return 0;
            case Pattern::to_one:
                return (count - 1) * bytes;
            case Pattern::to_all:
                return count * (count - 1) * bytes;
            case Pattern::vectors:
                break;
        }
        return work.find("bcast") != work.npos ? (count - 1) * bytes : count * bytes;
    }

    [[nodiscard]] TurnPlan turn(std::string_view work, std::uint64_t bytes,
                                bool crowded) const override {
        TurnPlan plan;
        if (is_stream(work)) {
            plan.loop(crowded);
        } else {
            plan.single(bytes, crowded);
        }
        // Who computes while others wait for its core is no slower than alone: there it is the time
        // of all together that counts.
        plan.by_the_slowest = plan_of_work(work).sizes != Sizes::overlap;
        plan.all_meet = plan_of_work(work).all_meet;
        plan.takes_part = [work = std::string(work)](std::string_view way) {
            return does_collective(way, work);
        };
        return plan;
    }

    /// MPICH spins where others need the core, Gloo's threads where one of them holds a lock.
    [[nodiscard]] bool comes_behind(std::string_view way, bool crowded) const override {
        return way == gloo || (crowded && way.starts_with("mpich"));
    }

    [[nodiscard]] const Row* base_of(std::span<const Row> rows, const Row& row) const override {
        if (is_overlap(row.work)) {
            return find_row(rows, row.work, computing, row.ranks, row.bytes);
        }
        return best_mpi(rows, row);
    }
    [[nodiscard]] std::string base_name(std::string_view work) const override {
        return is_overlap(work) ? "computing" : "best MPI";
    }

private:
    const CollectivesBench& bench_;
};

void describe_conditions(std::vector<std::string>& notes) {
    notes.emplace_back(
        "One operation after a barrier of the bench's own, the same for all ways; the time is that "
        "of the rank that was longest in it. In works named _stream it is that of many calls back "
        "to back, divided by their number; in those that begin a call (i...) it runs from the "
        "first rank's begin to the last one's end. The ways take turns, block by block; gloo, and "
        "MPICH with more ranks than cores, behind the others. Sources are "
        "rewritten by their owners and every element of every result is verified outside the "
        "clock.");
    notes.emplace_back(
        "Bytes are those of each rank's vector in bcast, reduce, allreduce, scan and exscan; in "
        "gather, scatter, allgather, alltoall and reduce_scatter those of one rank's part, so that "
        "a rank holds as many times as much as there are ranks. GB/s: the vectors (in bcast and "
        "where there are parts, what goes from one rank to another). The root is rank 0; what is "
        "combined are sums of doubles.");
    notes.emplace_back(
        "Cache state: the source was just written by its owner, the destination just overwritten "
        "by the receiver. In streams the buffers are used over and over, but for the first "
        "element.");
    notes.emplace_back(
        "Overlap: each rank begins the call, computes in registers for about a microsecond for "
        "each 8 KiB (at least 16) in 16 pieces, tests after each, then waits. \"computing\" is the "
        "same without a call; \"x computing\" of 1 means that all communication was hidden.");
    notes.emplace_back(
        "\"best MPI\" is the fastest of openmpi, openmpi-nocma, mpich and mpich-posix at that "
        "point, of those that are not left out. gloo is its allreduce over TCP on the loopback "
        "interface; it has a thread of its own in each rank, bound to none of the cores.");
    notes.emplace_back(
        "Not measured: cores that share no cache, several NUMA nodes, more ranks than 16, roots "
        "other than 0, parts of different sizes, derived datatypes, operations other than sums, "
        "buffers in no cache, several communicators at once.");
}

}  // namespace

std::span<const std::string_view> collectives_work_names() noexcept { return names; }

std::span<const JobWay> collectives_ways() noexcept { return ways; }

bool does_collective(std::string_view way, std::string_view work) noexcept {
    if (way == computing) return is_overlap(work);
    if (way == gloo) return work == "allreduce" || work == "allreduce_stream";
    return true;
}

std::vector<std::uint64_t> collectives_sizes(const CollectivesBench& bench, std::string_view work,
                                             int ranks) {
    const WorkPlan& plan = plan_of_work(work);
    std::vector<std::uint64_t> sizes = own_sizes(plan, ranks == 2);
    if (!bench.sizes.empty() && plan.sizes != Sizes::none) sizes = bench.sizes;
    std::erase_if(sizes,
                  [&](std::uint64_t bytes) { return room_of(plan, ranks, bytes) > most_room; });
    return sizes;
}

std::vector<std::string> hidden_by_computing(std::span<const Row> rows) {
    std::vector<std::string> notes;
    for (const Row& alone : rows) {
        if (alone.way != computing) continue;
        const std::string communication =
            alone.work.substr(0, alone.work.size() - overlapping.size());
        std::string text;
        for (const JobWay& way : ways) {
            const Row* both = find_row(rows, alone.work, way.name, alone.ranks, alone.bytes);
            const Row* pure = find_row(rows, communication, way.name, alone.ranks, alone.bytes);
            if (both == nullptr || pure == nullptr || way.name == computing) continue;
            // What could be hidden is the shorter of the two.
            const double most = std::min(pure->median_us, alone.median_us);
            const double hidden = pure->median_us + alone.median_us - both->median_us;
            if (most <= 0) continue;
            text += fmt::format("{}{} {:.2f}", text.empty() ? "" : ", ", way.name,
                                std::clamp(hidden / most, 0.0, 1.0));
        }
        if (text.empty()) continue;
        notes.push_back(fmt::format("{} of {} behind computing, {} ranks, the part hidden: {}.",
                                    communication, human_bytes(alone.bytes), alone.ranks, text));
    }
    return notes;
}

Report run_collectives_bench(const CollectivesBench& bench, std::FILE* out) {
    Report report;
    report.title = "onecopy bench collectives";
    describe_conditions(report.notes);
    CollectivesWorks works(bench);
    run_job_bench(bench, works, out, report);
    for (std::string& note : hidden_by_computing(report.rows)) {
        report.notes.push_back(std::move(note));
    }
    for (std::string& note : worst_of_ours(report.rows)) report.notes.push_back(std::move(note));
    return report;
}

}  // namespace onecopy::cli
