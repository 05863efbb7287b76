// The claims made for our collectives, held against the rows of `onecopy bench collectives`.
//
// The rival is at every point the best of MPI's four settings: on some machines an MPI without its
// single copy is several times as fast as the same MPI as installed. With eight ranks on fewer
// cores it is the better of Open MPI's two for what is larger than a cache line: MPICH spins there
// for milliseconds.
#include <fmt/format.h>

#include <array>
#include <string>
#include <vector>

#include "cli/bench_collectives.hpp"
#include "cli/bench_options.hpp"

namespace onecopy::cli {
namespace {

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;

/// At least so many times as fast, at these sizes.
struct Claim {
    std::string_view work;
    std::string_view way;
    int ranks;
    std::uint64_t from;
    std::uint64_t to;
    double limit;
    bool over_openmpi = false;  // not all of MPI's settings
};

constexpr std::array<Claim, 19> claims = {{
    {"allreduce", prepared_way, 2, 8, 8, 1.0},
    {"allreduce", prepared_way, 2, 64 * kib, 64 * kib, 1.7},
    {"allreduce", prepared_way, 2, 256 * kib, 256 * kib, 1.8},
    {"allreduce", prepared_way, 2, mib, mib, 2.2},
    {"allreduce", prepared_way, 2, 4 * mib, 4 * mib, 2.5},
    {"allreduce", prepared_way, 2, 16 * mib, 16 * mib, 1.4},
    {"allreduce", unprepared_way, 2, 64 * kib, 4 * mib, 1.35},
    {"allreduce", unprepared_way, 2, 16 * mib, 16 * mib, 0.95},
    {"bcast", prepared_way, 2, 64 * kib, 64 * kib, 1.3},
    {"bcast", prepared_way, 2, mib, mib, 1.3},
    {"reduce", prepared_way, 2, 64 * kib, 64 * kib, 1.3},
    {"reduce", prepared_way, 2, mib, mib, 1.3},
    {"allgather", prepared_way, 2, 64 * kib, 64 * kib, 1.3},
    {"allgather", prepared_way, 2, mib, mib, 1.3},
    {"alltoall", prepared_way, 2, 64 * kib, 64 * kib, 1.3},
    {"alltoall", prepared_way, 2, mib, mib, 1.3},
    {"allreduce", prepared_way, 8, 8, 8, 1.5},
    {"allreduce", prepared_way, 8, 64 * kib, 64 * kib, 1.5, true},
    {"allreduce", prepared_way, 8, mib, mib, 1.5, true},
}};

}  // namespace

std::vector<Verdict> judge_collectives(std::span<const Row> rows) {
    std::vector<Verdict> verdicts;
    for (const Claim& claim : claims) {
        for (const Row& row : rows) {
            if (row.work != claim.work || row.way != claim.way || row.ranks != claim.ranks ||
                row.bytes < claim.from || row.bytes > claim.to) {
                continue;
            }
            const Row* rival = claim.over_openmpi ? best_openmpi(rows, row) : best_mpi(rows, row);
            if (rival == nullptr) continue;
            verdicts.push_back(
                compare(fmt::format("{} of {}, {} ranks: speed of {} over that of the best {} ({})",
                                    row.work, human_bytes(row.bytes), row.ranks, row.way,
                                    claim.over_openmpi ? "Open MPI" : "MPI", rival->way),
                        row, *rival, claim.limit));
        }
    }
    return verdicts;
}

}  // namespace onecopy::cli
