// The claims made for our communicator, held against the rows of `onecopy bench p2p`.
//
// The rival is at every point the best of MPI's four settings: on some machines an MPI without its
// single copy is several times as fast as the same MPI as installed.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "cli/bench_options.hpp"
#include "cli/bench_p2p.hpp"
#include "cli/bench_p2p_ways.hpp"

namespace onecopy::cli {
namespace {

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;

// At least so many times as fast; 0: nothing is claimed.

double one_way(std::uint64_t bytes) noexcept {
    if (bytes > 4 * mib) return bytes <= 16 * mib ? 1.1 : 0;
    if (bytes >= 256 * kib) return 2.0;
    return bytes >= 64 * kib ? 1.2 : 0;
}

double one_way_unprepared(std::uint64_t bytes) noexcept { return bytes >= 64 * kib ? 0.95 : 0; }

/// Against one core's memcpy: both sides copy.
double over_memcpy(std::uint64_t bytes) noexcept {
    return bytes >= 256 * kib && bytes <= 4 * mib ? 1.3 : 0;
}

double latency(std::uint64_t bytes) noexcept { return bytes <= 4 * kib ? 1.0 : 0; }

/// Waiting costs little more than blocking in the kernel: what counts where both ranks have one
/// core between them (`taskset -c 0 onecopy bench p2p --works latency`).
double over_blocking(std::uint64_t bytes) noexcept { return bytes <= 4 * kib ? 1 / 1.2 : 0; }

double never_below(std::uint64_t) noexcept { return 1.0; }

struct Claim {
    std::string_view work;
    std::string_view way;
    double (*limit)(std::uint64_t bytes);
    std::string_view rival;  // empty: the best setting of MPI
};

constexpr Claim claims[] = {
    {"bandwidth", prepared_way, one_way, ""},
    {"bandwidth", prepared_way, over_memcpy, "memcpy"},
    {"bandwidth", unprepared_way, one_way_unprepared, ""},
    {"latency", prepared_way, latency, ""},
    {"latency", prepared_way, over_blocking, "pipe"},
    {"stream", prepared_way, never_below, ""},
    {"bidirectional", prepared_way, never_below, ""},
    {"message_rate", prepared_way, never_below, ""},
};

/// Claims are made for ranks that have a core each.
constexpr int judged_ranks = 2;

/// The fastest of the ways that copy, the ceiling aside, at the point of `row`, or null.
const Row* best_that_copies(std::span<const Row> rows, const Row& row) noexcept {
    const Row* best = nullptr;
    for (const JobWay& way : p2p_ways()) {
        if (!way.copies || way.name == "memcpy") continue;
        const Row* other = find_row(rows, row.work, way.name, row.ranks, row.bytes);
        if (other != nullptr && (best == nullptr || other->median_us < best->median_us)) {
            best = other;
        }
    }
    return best;
}

}  // namespace

std::vector<Verdict> judge_p2p(std::span<const Row> rows) {
    std::vector<Verdict> verdicts;
    for (const Claim& claim : claims) {
        for (const Row& row : rows) {
            if (row.work != claim.work || row.way != claim.way || row.ranks != judged_ranks)
                continue;
            const double limit = claim.limit(row.bytes);
            const Row* rival = claim.rival.empty()
                                   ? best_mpi(rows, row)
                                   : find_row(rows, row.work, claim.rival, row.ranks, row.bytes);
            if (limit == 0 || rival == nullptr) continue;
            verdicts.push_back(compare(
                fmt::format("{} of {}: speed of {} over that of {}", row.work,
                            human_bytes(row.bytes), row.way,
                            claim.rival.empty() ? fmt::format("the best MPI ({})", rival->way)
                                                : std::string(claim.rival)),
                row, *rival, limit));
        }
    }
    return verdicts;
}

std::string where_copying_nothing_wins(std::span<const Row> rows) {
    std::string text;
    for (const JobWay& way : p2p_ways()) {
        if (way.copies) continue;
        // Sizes ascend: what it wins from the last one on that it lost.
        const Row* from = nullptr;
        bool measured = false;
        for (const Row& row : rows) {
            if (row.work != "bandwidth" || row.way != way.name || row.ranks != judged_ranks)
                continue;
            const Row* rival = best_that_copies(rows, row);
            if (rival == nullptr) continue;
            measured = true;
            if (row.median_us >= rival->median_us)
                from = nullptr;
            else if (from == nullptr)
                from = &row;
        }
        if (!measured) continue;
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", way.name,
                            from == nullptr ? "not at the largest size"
                                            : "from " + human_bytes(from->bytes) + " on");
    }
    if (text.empty()) return {};
    return fmt::format(
        "Ways that copy nothing are faster than all that copy in bandwidth, memcpy "
        "aside: {}.",
        text);
}

}  // namespace onecopy::cli
