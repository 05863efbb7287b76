// The claims made for this library, held against the rows of `onecopy bench transfer`.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/bench_options.hpp"
#include "cli/bench_transfer.hpp"

namespace onecopy::cli {
namespace {

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;

/// How close a checked read must come to the bare system call: the check costs a fixed time, which
/// is a smaller part of a larger message. Smaller messages carry no claim.
double read_limit(std::uint64_t bytes) noexcept {
    if (bytes >= 256 * kib) return 0.97;
    if (bytes >= 64 * kib) return 0.95;
    if (bytes >= 16 * kib) return 0.90;
    return bytes >= 4 * kib ? 0.85 : 0.0;
}

/// What the fused reduction must reach against "fetch all, then add": it is never to cost anything,
/// and to win once the full buffer no longer fits into a cache.
double reduce_limit(std::uint64_t bytes) noexcept { return bytes >= 8 * mib ? 1.15 : 0.95; }

/// From where the machine's own costs no longer decide, to where the caches still hold both sides.
bool of_mapped_claims(std::uint64_t bytes) noexcept {
    return bytes >= 64 * kib && bytes <= 4 * mib;
}

/// What memory that is mapped here must be worth: it is copied without a call,
double mapped_limit(std::uint64_t bytes) noexcept { return of_mapped_claims(bytes) ? 2.5 : 0.0; }

/// and nearly as fast as memory of our own that the other core has just written.
double ceiling_limit(std::uint64_t bytes) noexcept { return of_mapped_claims(bytes) ? 0.9 : 0.0; }

/// What the other side's help must be worth.
double help_limit(std::uint64_t bytes) noexcept { return bytes == mib ? 1.6 : 0.0; }

/// `limit`: 0 where nothing is claimed.
void judge_against(std::span<const Row> rows, std::string_view work, std::string_view way,
                   std::string_view rival, double (*limit)(std::uint64_t),
                   std::vector<Verdict>& verdicts) {
    for (const Row& row : rows) {
        if (row.work != work || row.way != way || limit(row.bytes) == 0.0) continue;
        const Row* other = find_row(rows, work, rival, row.ranks, row.bytes);
        if (other == nullptr) continue;
        verdicts.push_back(compare(fmt::format("{} of {}: speed of {} over that of {}", work,
                                               human_bytes(row.bytes), way, rival),
                                   row, *other, limit(row.bytes)));
    }
}

}  // namespace

std::vector<Verdict> judge_transfer(std::span<const Row> rows) {
    std::vector<Verdict> verdicts;
    judge_against(rows, "read", "onecopy", "process_vm", read_limit, verdicts);
    judge_against(rows, "reduce", "onecopy", "process_vm_then_op", reduce_limit, verdicts);
    judge_against(rows, "read", "mapped", "process_vm", mapped_limit, verdicts);
    judge_against(rows, "read", "mapped", "memcpy", ceiling_limit, verdicts);
    judge_against(rows, "read", "mapped_cooperative", "mapped", help_limit, verdicts);
    return verdicts;
}

std::uint64_t judged_incast_bytes(std::span<const std::uint64_t> sizes) noexcept {
    std::uint64_t best = 0;
    for (const std::uint64_t bytes : sizes) {
        if (bytes >= 64 * kib && bytes <= 256 * kib) best = std::max(best, bytes);
    }
    return best;
}

Verdict judge_incast(const Row& together, const Row& in_turn, int cores) {
    const int writers = together.ranks - 1;
    return compare(fmt::format("incast by {}: {} writers of {}, speed at once over in turn",
                               together.way, writers, human_bytes(together.bytes)),
                   together, in_turn, 1 + 0.5 * (std::min(writers, cores) - 1));
}

}  // namespace onecopy::cli
