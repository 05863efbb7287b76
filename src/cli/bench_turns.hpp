// Jobs of all ways, alive at the same time, that take turns at one piece of work after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/bench_jobs.hpp"

namespace onecopy::cli {

/// What is to be measured at one point.
struct TurnPlan {
    std::string work;
    std::uint64_t bytes = 0;
    std::uint32_t warm_ups = 0;    // operations of each block that do not count
    std::uint32_t operations = 1;  // of a block that do
    /// Works that loop inside an operation: as many iterations as last about so long. 0: no loop.
    double loop_us = 0;
    std::uint32_t most_iterations = 1;
    double parts = 1;  // into which the time of an operation (or of an iteration) is divided
    int least_rounds = 5;
    int most_rounds = 40;
    double budget_us = 1e6;  // for all ways together; what lies behind least_rounds
    int guard_ms = 30'000;   // for one block
    std::function<bool(std::string_view way)> takes_part;  // empty: all do
    std::string corrupt;  // way whose last byte is spoiled: for tests
    /// The time of an operation: false, from the first rank's begin to the last one's end; true,
    /// the longest of the times that the ranks were in it.
    bool by_the_slowest = false;
    /// No rank may leave an operation before the last has begun it; who does is not verified.
    bool all_meet = false;

    /// Blocks of single operations on so many bytes: some hundred microseconds.
    void single(std::uint64_t all_bytes, bool crowded) noexcept;
    /// Blocks of two loops of iterations.
    void loop(bool crowded) noexcept;
};

/// What one way measured.
struct TurnSamples {
    std::string way;
    std::vector<double> us;
    bool verified = true;
};

class JobTurns {
public:
    /// `notes`: where it says which way is left out, and why. Outlives this.
    explicit JobTurns(std::vector<std::string>& notes) : notes_(notes) {}
    JobTurns(const JobTurns&) = delete;
    JobTurns& operator=(const JobTurns&) = delete;
    ~JobTurns() { end(); }

    /// Starts a job of every plan and waits until its ranks are there. One that cannot is left out.
    void start(const JobYard& yard, std::span<const JobPlan> plans, const JobSize& size,
               int guard_ms);

    /// Block by block, in another order every round: a first round warms up. A way that is lost on
    /// the way is left out, here and from then on.
    std::vector<TurnSamples> measure(const TurnPlan& plan);

    [[nodiscard]] std::span<const std::unique_ptr<Job>> jobs() const noexcept { return jobs_; }

    /// Ends the jobs.
    void end() noexcept;

private:
    struct Runner {
        std::unique_ptr<Job> job;
        TurnSamples samples;
        std::uint32_t iterations = 1;
        bool takes_part = true;
    };

    void run_block(Runner& runner, const TurnPlan& plan, bool counts);
    void leave_out(const std::string& way, std::string_view why);

    std::vector<std::string>& notes_;
    std::vector<std::unique_ptr<Job>> jobs_;
    std::minstd_rand shuffler_{42};
    std::uint64_t blocks_ = 0;
};

/// From the first begin to the last end of operation `index`, in microseconds.
double elapsed_us(std::span<const JobRank> ranks, std::size_t index) noexcept;
/// The longest time that a rank was in it.
double slowest_us(std::span<const JobRank> ranks, std::size_t index) noexcept;
/// Whether no rank left it before all had begun.
bool all_met(std::span<const JobRank> ranks, std::size_t index) noexcept;

}  // namespace onecopy::cli
