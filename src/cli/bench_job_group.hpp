// A bench that compares ways by jobs of ranks: one driver, compiled with each library; the jobs of
// all ways are alive at the same time and take turns, block by block (bench_turns.hpp).
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/bench_job_ways.hpp"
#include "cli/bench_report.hpp"
#include "cli/bench_turns.hpp"

namespace onecopy::cli {

/// What is to be measured.
struct JobBench {
    std::vector<std::string> works;
    std::vector<std::string> ways;
    std::vector<std::uint64_t> sizes;  // of a message, ascending; empty: each work's own
    std::vector<int> ranks = {2};      // of a job
    int rounds = 0;                    // of all ways at each point; 0: what the budget allows
    int least_rounds = 8;              // whatever the budget
    double budget_ms = 1000;           // of a point
    int guard_ms = 30'000;             // how long a job may take to come up, or for a block
    std::string corrupt;               // way whose messages get a wrong byte: for tests
    std::map<std::string, std::vector<std::string>>
        instead;  // way: command of its ranks, for tests
};

/// The works of one such bench, and what is particular about it.
class JobWorks {
public:
    JobWorks() = default;
    JobWorks(const JobWorks&) = delete;
    JobWorks& operator=(const JobWorks&) = delete;
    virtual ~JobWorks() = default;

    /// What the rows call the bench: "p2p".
    [[nodiscard]] virtual std::string_view name() const = 0;
    /// All it could compare, in the order of the report.
    [[nodiscard]] virtual std::span<const JobWay> ways() const = 0;
    /// Over the table of a work.
    [[nodiscard]] virtual std::string heading(std::string_view work) const = 0;

    /// The sizes at which a work is measured with so many ranks; none: not at all.
    [[nodiscard]] virtual std::vector<std::uint64_t> sizes(std::string_view work,
                                                           int ranks) const = 0;
    /// The room that one rank needs for all that it has under way of a work at once, in bytes.
    [[nodiscard]] virtual std::uint64_t room(std::string_view work, int ranks,
                                             std::uint64_t bytes) const = 0;
    /// Bytes that all ranks together move in one operation.
    [[nodiscard]] virtual std::uint64_t moved(std::string_view work, int ranks,
                                              std::uint64_t bytes) const = 0;
    /// How large the blocks are in which the ways take turns, and which of them take part. The rest
    /// of the plan is filled in afterwards.
    [[nodiscard]] virtual TurnPlan turn(std::string_view work, std::uint64_t bytes,
                                        bool crowded) const = 0;

    /// Whether a way takes its turns behind those of the others: it is so slow that there would be
    /// few of theirs.
    [[nodiscard]] virtual bool comes_behind(std::string_view /*way*/, bool /*crowded*/) const {
        return false;
    }

    /// What the table's last column compares a row with (null: nothing), and that column's title.
    [[nodiscard]] virtual const Row* base_of(std::span<const Row> rows, const Row& row) const = 0;
    [[nodiscard]] virtual std::string base_name(std::string_view work) const = 0;

    /// Called before the job of a way is started, and when the jobs of so many ranks have ended.
    /// Throws JobLost: the way is left out.
    virtual void prepare(const JobWay&, const JobYard&, const JobSize&,
                         std::vector<std::string>& /*notes*/) {}
    virtual void clean_up() {}
};

/// Measures, and prints the rows of each work as soon as it is done. A way that is not there, does
/// not come up or does not answer is left out, with a note. Fills the report's machine, rows and
/// notes, among them cores and libraries. Throws Failure.
void run_job_bench(const JobBench& bench, JobWorks& works, std::FILE* out, Report& report);

/// On which cores the ranks are, for the caption.
std::string binding_note(const JobBench& bench, std::span<const int> cpus);

/// By which ways onecopy's large messages go, for the caption.
std::string ways_in_use();

/// The fastest of MPI's settings at the point of `row`, or null.
const Row* best_mpi(std::span<const Row> rows, const Row& row) noexcept;
/// The same of Open MPI's two.
const Row* best_openmpi(std::span<const Row> rows, const Row& row) noexcept;

/// Where each of our ways stands worst against the best setting of MPI, with two ranks: a note
/// each.
std::vector<std::string> worst_of_ours(std::span<const Row> rows);

}  // namespace onecopy::cli
