#include "cli/bench_turns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <numeric>
#include <string_view>
#include <utility>

#include "cli/bench_timing.hpp"

namespace onecopy::cli {
namespace {

constexpr std::uint32_t first_iterations = 8;  // of a loop, to learn how long one lasts
constexpr int end_guard_ms = 10'000;

}  // namespace

double elapsed_us(std::span<const JobRank> ranks, std::size_t index) noexcept {
    std::int64_t begin = INT64_MAX;
    std::int64_t end = 0;
    for (const JobRank& rank : ranks) {
        const JobStamp& stamp = rank.stamps[index];
        if (stamp.end == 0) continue;  // had nothing to do
        begin = std::min(begin, stamp.begin);
        end = std::max(end, stamp.end);
    }
    return end == 0 ? 0 : static_cast<double>(end - begin) / 1e3;
}

double slowest_us(std::span<const JobRank> ranks, std::size_t index) noexcept {
    std::int64_t longest = 0;
    for (const JobRank& rank : ranks) {
        longest = std::max(longest, rank.stamps[index].end - rank.stamps[index].begin);
    }
    return static_cast<double>(longest) / 1e3;
}

bool all_met(std::span<const JobRank> ranks, std::size_t index) noexcept {
    std::int64_t last_begin = 0;
    std::int64_t first_end = INT64_MAX;
    for (const JobRank& rank : ranks) {
        last_begin = std::max(last_begin, rank.stamps[index].begin);
        first_end = std::min(first_end, rank.stamps[index].end);
    }
    return last_begin <= first_end;
}

void TurnPlan::single(std::uint64_t all_bytes, bool crowded) noexcept {
    constexpr std::uint64_t small = 64 << 10;
    constexpr std::uint64_t medium = 1 << 20;
    warm_ups = all_bytes <= small ? 3 : all_bytes <= medium ? 2 : 1;
    operations = all_bytes <= small ? 16 : all_bytes <= medium ? 6 : 2;
    if (crowded) {  // an operation may wait for several turns of the scheduler
        warm_ups = 1;
        operations = std::min(operations, 4U);
    }
}

void TurnPlan::loop(bool crowded) noexcept {
    warm_ups = 1;
    operations = 2;
    loop_us = crowded ? 2'000 : 500;
    most_iterations = 2'000;
}

void JobTurns::start(const JobYard& yard, std::span<const JobPlan> plans, const JobSize& size,
                     int guard_ms) {
    for (const JobPlan& plan : plans) {
        try {
            jobs_.push_back(std::make_unique<Job>(yard, plan, size));
        } catch (const JobLost& lost) {
            leave_out(plan.way, lost.what());
        }
    }
    std::erase_if(jobs_, [&](const std::unique_ptr<Job>& job) {
        try {
            job->wait_for_ranks(guard_ms);
            return false;
        } catch (const JobLost& lost) {
            leave_out(job->way(), lost.what());
            return true;
        }
    });
}

std::vector<TurnSamples> JobTurns::measure(const TurnPlan& plan) {
    std::vector<Runner> runners;
    for (std::unique_ptr<Job>& job : jobs_) {
        const std::string way = job->way();
        const bool takes_part = !plan.takes_part || plan.takes_part(way);
        runners.push_back({std::move(job), {way, {}, true}, 1, takes_part});
    }
    const std::int64_t start = now_ns();
    std::vector<std::size_t> order(runners.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (int round = 0; round <= plan.most_rounds; ++round) {  // round 0 warms up
        std::shuffle(order.begin(), order.end(), shuffler_);
        for (const std::size_t i : order) {
            if (!runners[i].job || !runners[i].takes_part) continue;
            try {
                run_block(runners[i], plan, round > 0);
            } catch (const JobLost& lost) {
                leave_out(runners[i].samples.way, lost.what());
                runners[i].job.reset();
            }
        }
        if (std::none_of(runners.begin(), runners.end(),
                         [](const Runner& runner) { return runner.job && runner.takes_part; })) {
            break;
        }
        const auto spent_us = static_cast<double>(now_ns() - start) / 1e3;
        if (round >= plan.least_rounds && spent_us > plan.budget_us) break;
    }
    jobs_.clear();
    std::vector<TurnSamples> samples;
    for (Runner& runner : runners) {
        if (!runner.job) continue;
        jobs_.push_back(std::move(runner.job));
        if (runner.takes_part) samples.push_back(std::move(runner.samples));
    }
    return samples;
}

void JobTurns::run_block(Runner& runner, const TurnPlan& plan, bool counts) {
    JobCommand command;
    command.work.set(plan.work);
    command.bytes = plan.bytes;
    command.warm_ups = plan.warm_ups;
    command.operations = std::min<std::uint32_t>(plan.operations, max_turn_operations);
    command.iterations =
        counts ? runner.iterations : std::min(first_iterations, plan.most_iterations);
    command.corrupt = plan.corrupt == runner.samples.way ? 1 : 0;
    command.seed = ++blocks_ << 32;
    runner.job->run(command, plan.guard_ms);
    const std::span<const JobRank> ranks = runner.job->reports();
    for (const JobRank& rank : ranks) {
        if (rank.wrong != 0) runner.samples.verified = false;
    }
    const bool loops = plan.loop_us > 0;
    const double divisor = plan.parts * (loops ? command.iterations : 1);
    double fastest = HUGE_VAL;
    for (std::size_t i = 0; i < command.operations; ++i) {
        const double us =
            (plan.by_the_slowest ? slowest_us(ranks, i) : elapsed_us(ranks, i)) / divisor;
        if (plan.all_meet && !all_met(ranks, i)) runner.samples.verified = false;
        fastest = std::min(fastest, us);
        if (counts) runner.samples.us.push_back(us);
    }
    if (counts || !loops) return;
    const double fit = plan.loop_us / std::max(1e-3, fastest * plan.parts);
    runner.iterations =
        static_cast<std::uint32_t>(std::clamp(fit, 1.0, static_cast<double>(plan.most_iterations)));
}

void JobTurns::leave_out(const std::string& way, std::string_view why) {
    notes_.push_back(fmt::format("{} is left out: {}", way, why));
}

void JobTurns::end() noexcept {
    for (std::unique_ptr<Job>& job : jobs_) job->end(end_guard_ms);
    jobs_.clear();
}

}  // namespace onecopy::cli
