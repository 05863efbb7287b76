#include "cli/bench_p2p.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "cli/bench_p2p_roudi.hpp"
#include "cli/bench_p2p_ways.hpp"

namespace onecopy::cli {
namespace {

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

const WorkPlan& plan_of_work(std::string_view work) {
    const auto& plans = work_plans();
    return *std::find_if(plans.begin(), plans.end(),
                         [work](const WorkPlan& plan) { return plan.name == work; });
}

class P2pWorks final : public JobWorks {
public:
    explicit P2pWorks(const P2pBench& bench) : bench_(bench) {}

    [[nodiscard]] std::string_view name() const override { return "p2p"; }
    [[nodiscard]] std::span<const JobWay> ways() const override { return p2p_ways(); }
    [[nodiscard]] std::string heading(std::string_view work) const override {
        return std::string(plan_of_work(work).heading);
    }
    [[nodiscard]] std::vector<std::uint64_t> sizes(std::string_view work,
                                                   int ranks) const override {
        return p2p_sizes(bench_, work, ranks);
    }

    [[nodiscard]] std::uint64_t room(std::string_view work, int ranks,
                                     std::uint64_t bytes) const override {
        constexpr std::uint64_t line = 64;
        const std::uint64_t count =
            work == "incast" ? static_cast<std::uint64_t>(ranks) : plan_of_work(work).under_way;
        return std::max(count * ((bytes + line - 1) / line * line), window * line);
    }

    [[nodiscard]] std::uint64_t moved(std::string_view work, int ranks,
                                      std::uint64_t bytes) const override {
        const auto count = static_cast<std::uint64_t>(ranks);
        if (work == "incast") return (count - 1) * bytes;
        if (work == "bidirectional") return count * bytes;
        return count / 2 * bytes * (work == "stream" ? window : 1);
    }

    /// Some hundred microseconds.
    [[nodiscard]] TurnPlan turn(std::string_view work, std::uint64_t bytes,
                                bool crowded) const override {
        TurnPlan plan;
        plan.takes_part = [work = std::string(work)](std::string_view way) {
            return does(way, work);
        };
        if (work == "latency" || work == "message_rate") {
            plan.loop(crowded);
            plan.parts = work == "latency" ? 2 : static_cast<double>(window);
        } else {
            plan.single(bytes * plan_of_work(work).under_way, crowded);
        }
        return plan;
    }

    [[nodiscard]] const Row* base_of(std::span<const Row> rows, const Row& row) const override {
        return best_mpi(rows, row);
    }
    [[nodiscard]] std::string base_name(std::string_view) const override { return "best MPI"; }

    void prepare(const JobWay& way, const JobYard& yard, const JobSize& size,
                 std::vector<std::string>& notes) override {
        if (way.name != "iceoryx") return;
        roudi_.emplace(yard, size.ranks, size.area_bytes, size.largest);
        if (!roudi_->found()) return;
        notes.emplace_back(
            "iceoryx: a RouDi was running; its configuration decides which sizes it carries.");
    }
    void clean_up() override { roudi_.reset(); }

private:
    const P2pBench& bench_;
    std::optional<RouDi> roudi_;
};

void describe_conditions(std::vector<std::string>& notes) {
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

Report run_p2p_bench(const P2pBench& bench, std::FILE* out) {
    Report report;
    report.title = "onecopy bench p2p";
    describe_conditions(report.notes);
    P2pWorks all(bench);
    run_job_bench(bench, all, out, report);
    if (std::string note = where_copying_nothing_wins(report.rows); !note.empty()) {
        report.notes.push_back(std::move(note));
    }
    for (std::string& note : worst_of_ours(report.rows)) report.notes.push_back(std::move(note));
    return report;
}

}  // namespace onecopy::cli
