#include "cli/tune_measure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <string>

#include "cli/bench_ranks.hpp"
#include "cli/bench_timing.hpp"
#include "cli/errors.hpp"
#include "node/endpoint.hpp"
#include "node/ways_file.hpp"
#include "onecopy/node.hpp"

namespace onecopy::cli {
namespace {

constexpr std::string_view asked = "tune: measure messages";
constexpr std::size_t most_samples = 256;  // of one candidate at one size, by one pair
constexpr std::size_t page = 4096;

/// Messages of one candidate before the next one's turn; one more warms its slots.
unsigned messages_in_a_turn(std::uint64_t bytes) {
    return bytes <= 64U << 10 ? 8 : bytes <= 256U << 10 ? 4 : bytes <= 1U << 20 ? 2 : 1;
}

/// What the two of a pair share; zero at first.
struct PairWords {
    Barrier barrier;
    alignas(64) std::array<std::int64_t, 2> took_ns;  // each side's own, read behind the barrier
    std::array<std::uint32_t, 2> is_good;             // the same
    std::uint32_t go_on;                              // the sender's, read behind the barrier
    std::uint32_t in_vain;                            // at some size a candidate has no sample
};

/// Where times are written for the caller: by the receiver.
struct Samples {
    std::uint32_t count;
    std::array<float, most_samples> ns;
};

class Results {
public:
    explicit Results(const TuneRun& run)
        : candidates_(run.candidates.size()),
          sizes_(run.sizes.size()),
          memory_(run.pairs.size() * (sizeof(PairWords) + candidates_ * sizes_ * sizeof(Samples)),
                  Memory::Kind::is_shared),
          pairs_(run.pairs.size()) {}

    [[nodiscard]] PairWords& words(std::size_t pair) const noexcept {
        return reinterpret_cast<PairWords*>(memory_.data())[pair];
    }
    [[nodiscard]] Samples& samples(std::size_t pair, std::size_t candidate,
                                   std::size_t size) const noexcept {
        auto* const first = reinterpret_cast<Samples*>(memory_.data() + pairs_ * sizeof(PairWords));
        return first[(pair * candidates_ + candidate) * sizes_ + size];
    }

private:
    std::size_t candidates_, sizes_;
    Memory memory_;
    std::size_t pairs_;
};

/// One rank of a pair, in all jobs: in each it uses another candidate's settings.
class TuneRank {
public:
    TuneRank(const TuneRun& run, const Results& results, std::span<const node::JobMemory> jobs,
             int rank)
        : run_(run),
          results_(results),
          pair_(static_cast<std::size_t>(rank) / 2),
          sends_(rank % 2 == 0),
          peer_(rank ^ 1),
          words_(results.words(pair_)) {
        for (const TuneSize& each : run.sizes) most_ = std::max(most_, each.bytes);
        if (!run.in_arenas) ordinary_.emplace(most_, Memory::Kind::is_private);
        ::unsetenv("ONECOPY_STATS");
        ::setenv("ONECOPY_RANK", std::to_string(rank).c_str(), 1);
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            ::setenv("ONECOPY_JOB", ("fd:" + std::to_string(jobs[i].fd())).c_str(), 1);
            ::setenv("ONECOPY_WAYS", node::settings_text(run.candidates[i]).c_str(), 1);
            NodeOptions options;
            options.arena_bytes = run.in_arenas ? most_ + (1U << 20) : 1U << 20;
            nodes_.push_back(std::make_unique<Node>(options));
            buffers_.push_back(run.in_arenas ? static_cast<std::byte*>(
                                                   nodes_.back()->arena().allocate(most_, page))
                                             : ordinary_->data());
        }
    }

    void measure() {
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            // Fills every slot, and finds the other's memory.
            for (int message = 0; message < 2; ++message) {
                static_cast<void>(one(i, std::min(most_, warm_bytes)));
            }
        }
        for (std::size_t size = 0; size < run_.sizes.size(); ++size) measure(size);
    }

private:
    static constexpr std::uint64_t warm_bytes = 1U << 20;

    void measure(std::size_t size) {
        const std::uint64_t bytes = run_.sizes[size].bytes;
        const auto budget_ns = static_cast<std::int64_t>(run_.sizes[size].budget_ms * 1e6);
        const std::int64_t begin = now_ns();
        for (unsigned round = 1;; ++round) {
            bool all_have_one = true;
            for (std::size_t i = 0; i < nodes_.size(); ++i) {
                all_have_one = a_turn(i, size, bytes) && all_have_one;
            }
            // Another round takes as long as those before.
            const std::int64_t spent = now_ns() - begin;
            const std::int64_t limit = all_have_one ? budget_ns : patience * budget_ns;
            if (sends_) words_.go_on = spent + spent / round < limit ? 1 : 0;
            words_.barrier.wait(2, Waiting::spin);
            const bool go_on = words_.go_on != 0;
            if (!go_on && !all_have_one) words_.in_vain = 1;
            words_.barrier.wait(2, Waiting::spin);
            if (!go_on) return;
        }
    }

    /// True if the candidate has a sample by now.
    bool a_turn(std::size_t candidate, std::size_t size, std::uint64_t bytes) {
        Samples& samples = results_.samples(pair_, candidate, size);
        static_cast<void>(one(candidate, bytes));
        for (unsigned left = messages_in_a_turn(bytes); left > 0; --left) {
            const std::optional<double> ns = one(candidate, bytes);
            if (sends_ || !ns || samples.count == most_samples) continue;
            samples.ns[samples.count++] = static_cast<float>(*ns);
        }
        words_.barrier.wait(2, Waiting::spin);
        return samples.count > 0;
    }

    /// Nanoseconds of the longer call of the two; nothing if one of them took the ranks for too
    /// many, and so did not go by its settings.
    std::optional<double> one(std::size_t candidate, std::uint64_t bytes) {
        Node& node = *nodes_[candidate];
        std::byte* const buffer = buffers_[candidate];
        const std::size_t side = sends_ ? 0 : 1;
        if (sends_) std::memset(buffer, static_cast<int>(++written_ & 0xff), bytes);
        words_.is_good[side] = node.endpoint().crowded() ? 0 : 1;
        words_.barrier.wait(2, Waiting::spin);
        const std::int64_t begin = now_ns();
        if (sends_) {
            node.world().send(ConstSegment(buffer, bytes), peer_, 0);
        } else {
            node.world().recv(Segment(buffer, bytes), peer_, 0);
        }
        words_.took_ns[side] = now_ns() - begin;
        words_.barrier.wait(2, Waiting::spin);
        if (words_.is_good[0] == 0 || words_.is_good[1] == 0) return {};
        return static_cast<double>(std::max(words_.took_ns[0], words_.took_ns[1]));
    }

    static constexpr std::int64_t patience = 20;

    const TuneRun& run_;
    const Results& results_;
    std::size_t pair_;
    bool sends_;
    int peer_;
    PairWords& words_;
    std::uint64_t most_ = 0;
    std::optional<Memory> ordinary_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<std::byte*> buffers_;
    unsigned written_ = 0;
};

}  // namespace

Times measure_ways(const TuneRun& run) {
    const Results results(run);
    const int ranks = static_cast<int>(2 * run.pairs.size());
    std::vector<int> cpus;
    for (const CpuPair& pair : run.pairs) cpus.insert(cpus.end(), {pair.one, pair.other});
    std::vector<node::JobMemory> jobs;
    for (std::size_t i = 0; i < run.candidates.size(); ++i) {
        jobs.push_back(node::JobMemory::create(ranks));
    }
    run_ranks(asked, ranks, cpus, [&](int rank) { TuneRank(run, results, jobs, rank).measure(); });
    Times times;
    for (std::size_t pair = 0; pair < run.pairs.size(); ++pair) {
        if (results.words(pair).in_vain == 0) continue;
        throw Failure(fmt::format(
            "{}: CPUs {} and {} are taken by other programs, or by a limit of this control group, "
            "all the time; run it again when less is going on",
            asked, run.pairs[pair].one, run.pairs[pair].other));
    }
    for (std::size_t candidate = 0; candidate < run.candidates.size(); ++candidate) {
        std::vector<double>& row = times.emplace_back();
        for (std::size_t size = 0; size < run.sizes.size(); ++size) {
            double sum = 0;
            for (std::size_t pair = 0; pair < run.pairs.size(); ++pair) {
                const Samples& samples = results.samples(pair, candidate, size);
                sum += lower_quartile({samples.ns.begin(), samples.ns.begin() + samples.count});
            }
            row.push_back(std::max(sum, 1.0) / static_cast<double>(run.pairs.size()) / 1e9);
        }
    }
    return times;
}

}  // namespace onecopy::cli
