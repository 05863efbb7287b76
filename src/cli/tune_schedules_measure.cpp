#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "cli/bench_ranks.hpp"
#include "cli/bench_timing.hpp"
#include "cli/errors.hpp"
#include "cli/tune_schedules.hpp"
#include "node/endpoint.hpp"
#include "onecopy/node.hpp"

namespace onecopy::cli {
namespace {

using node::Reach;
using node::Schedule;
using schedule::Collective;

constexpr std::string_view asked = "tune: measure collective calls";
constexpr std::size_t most_samples = 64;  // of one candidate at one size
constexpr std::size_t most_ranks = 8;
constexpr std::uint64_t most_bytes = std::uint64_t{32} << 20;  // of a buffer: blocks become shorter

/// How long a size of a task takes, in milliseconds.
constexpr std::array<std::int64_t, node::size_classes> budget_ms{12, 15, 20, 25, 40, 80};
constexpr std::int64_t patience = 20;

unsigned calls_in_a_turn(std::size_t size) { return size <= 1 ? 8 : size <= 3 ? 2 : 1; }

/// What the ranks share; zero at first.
struct Words {
    Barrier barrier;
    alignas(64) std::array<std::int64_t, most_ranks> took_ns;  // each rank's own, behind a barrier
    std::array<std::uint32_t, most_ranks> is_good;             // the same
    std::uint32_t go_on;                                       // rank 0's, the same
    std::uint32_t in_vain;  // somewhere a candidate has no sample
};

/// Where times are written for the caller: by rank 0.
struct Samples {
    std::uint32_t count;
    std::array<float, most_samples> ns;
};

class Board {
public:
    explicit Board(const std::vector<ScheduleTask>& tasks)
        : memory_(bytes(tasks), Memory::Kind::is_shared) {
        std::size_t first = 0;
        for (const ScheduleTask& task : tasks) {
            firsts_.push_back(first);
            sizes_.push_back(task.sizes.size());
            first += task.candidates.size() * task.sizes.size();
        }
    }
    [[nodiscard]] Words& words() const noexcept {
        return *reinterpret_cast<Words*>(memory_.data());
    }
    [[nodiscard]] Samples& samples(std::size_t task, std::size_t candidate,
                                   std::size_t size) const noexcept {
        auto* const all = reinterpret_cast<Samples*>(memory_.data() + sizeof(Words));
        return all[firsts_[task] + candidate * sizes_[task] + size];
    }

private:
    static std::size_t bytes(const std::vector<ScheduleTask>& tasks) {
        std::size_t count = 0;
        for (const ScheduleTask& task : tasks) count += task.candidates.size() * task.sizes.size();
        return sizeof(Words) + count * sizeof(Samples);
    }
    Memory memory_;
    std::vector<std::size_t> firsts_, sizes_;
};

/// One rank. Each candidate has a communicator, which goes by it.
class ScheduleRank {
public:
    ScheduleRank(const std::vector<ScheduleTask>& tasks, const Board& board,
                 const node::JobMemory& job, int rank, int ranks)
        : tasks_(tasks),
          board_(board),
          words_(board.words()),
          rank_(static_cast<std::size_t>(rank)),
          ranks_(static_cast<std::uint32_t>(ranks)) {
        ::unsetenv("ONECOPY_STATS");
        // Ranks that are bound have domains, and calls that go by these go by no candidate.
        ::setenv("ONECOPY_TOPOLOGY", "core:1", 1);
        ::setenv("ONECOPY_RANK", std::to_string(rank).c_str(), 1);
        ::setenv("ONECOPY_JOB", ("fd:" + std::to_string(job.fd())).c_str(), 1);
        NodeOptions options;
        options.arena_bytes = 2 * most_bytes + (std::size_t{1} << 20);
        node_.emplace(options);
        constexpr std::size_t page = 4096;
        for (std::byte*& each : arena_) {
            each = static_cast<std::byte*>(node_->arena().allocate(most_bytes, page));
        }
        for (const ScheduleTask& task : tasks_) {
            for (const Schedule& each : task.candidates) static_cast<void>(communicator(each));
        }
    }

    void measure() {
        for (std::size_t task = 0; task < tasks_.size(); ++task) {
            for (std::size_t size = 0; size < tasks_[task].sizes.size(); ++size) {
                measure(task, size);
                if (words_.in_vain != 0) return;  // stored before a barrier that all have passed
            }
        }
    }

private:
    struct Named {
        Schedule schedule;
        Communicator communicator;
    };

    Communicator& communicator(const Schedule& schedule) {
        for (const auto& each : communicators_) {
            if (each->schedule == schedule) return each->communicator;
        }
        node_->endpoint().use(node::all_by(schedule));
        communicators_.push_back(std::make_unique<Named>(Named{schedule, node_->world().dup()}));
        communicators_.back()->communicator.barrier();
        return communicators_.back()->communicator;
    }

    void measure(std::size_t task, std::size_t size) {
        const std::int64_t budget_ns = budget_ms[tasks_[task].sizes[size]] * 1'000'000;
        const std::int64_t begin = now_ns();
        for (unsigned round = 1;; ++round) {
            bool all_have_one = true;
            for (std::size_t i = 0; i < tasks_[task].candidates.size(); ++i) {
                all_have_one = a_turn(task, i, size) && all_have_one;
            }
            // Another round takes as long as those before.
            const std::int64_t spent = now_ns() - begin;
            const std::int64_t limit = all_have_one ? budget_ns : patience * budget_ns;
            if (rank_ == 0) {
                words_.go_on = spent + spent / round < limit ? 1 : 0;
                if (words_.go_on == 0 && !all_have_one) words_.in_vain = 1;
            }
            words_.barrier.wait(ranks_, Waiting::spin);
            const bool go_on = words_.go_on != 0;
            words_.barrier.wait(ranks_, Waiting::spin);
            if (!go_on) return;
        }
    }

    /// At rank 0: true if the candidate has a sample by now.
    bool a_turn(std::size_t task, std::size_t candidate, std::size_t size) {
        Samples& samples = board_.samples(task, candidate, size);
        static_cast<void>(one(task, candidate, size));  // its frames and mappings
        for (unsigned left = calls_in_a_turn(tasks_[task].sizes[size]); left > 0; --left) {
            const std::optional<double> ns = one(task, candidate, size);
            if (rank_ != 0 || !ns || samples.count == most_samples) continue;
            samples.ns[samples.count++] = static_cast<float>(*ns);
        }
        words_.barrier.wait(ranks_, Waiting::spin);
        return samples.count > 0;
    }

    /// Nanoseconds of the longest call; nothing if a rank took them for more than there are cores,
    /// or another program took the core of one.
    std::optional<double> one(std::size_t number, std::size_t candidate, std::size_t size) {
        const ScheduleTask& task = tasks_[number];
        Communicator& world = communicator(task.candidates[candidate]);
        std::uint64_t block = class_bytes[task.sizes[size]];
        const std::uint64_t blocks = has_blocks(task.what) ? ranks_ : 1;
        block = std::min(block, most_bytes / blocks);
        std::byte* const from = task.reach == Reach::mapped ? arena_[0] : ordinary_[0].data();
        std::byte* const to = task.reach == Reach::mapped ? arena_[1] : ordinary_[1].data();
        // Doubles that stay finite when they are added up.
        std::memset(from, static_cast<int>(++written_ & 0x3f), block * blocks);
        words_.is_good[rank_] = node_->endpoint().crowded() ? 0 : 1;
        words_.barrier.wait(ranks_, Waiting::spin);
        const std::int64_t begin = now_ns();
        call(world, task.what, from, to, block);
        words_.took_ns[rank_] = now_ns() - begin;
        words_.barrier.wait(ranks_, Waiting::spin);
        std::int64_t longest = 0;
        for (std::size_t rank = 0; rank < ranks_; ++rank) {
            if (words_.is_good[rank] == 0) return {};
            longest = std::max(longest, words_.took_ns[rank]);
        }
        return static_cast<double>(longest);
    }

    void call(Communicator& world, Collective what, std::byte* from, std::byte* to,
              std::size_t block) const {
        const std::size_t all = block * ranks_;
        const ConstSegment one(from, block), many(from, all);
        const Segment to_one(to, block), to_many(to, all);
        const Reduction sum{Op::sum, Type::float64};
        const bool is_root = rank_ == 0;
        switch (what) {
            case Collective::bcast:
                return world.bcast(Segment(from, block), 0);
            case Collective::gather:
                return world.gather(one, is_root ? to_many : Segment(), 0);
            case Collective::scatter:
                return world.scatter(is_root ? many : ConstSegment(), to_one, 0);
            case Collective::allgather:
                return world.allgather(one, to_many);
            case Collective::alltoall:
                return world.alltoall(many, to_many);
            case Collective::reduce:
                return world.reduce(one, is_root ? to_one : Segment(), sum, 0);
            case Collective::allreduce:
                return world.allreduce(one, to_one, sum);
            case Collective::reduce_scatter:
                return world.reduce_scatter_block(many, to_one, sum);
            case Collective::scan:
                return world.scan(one, to_one, sum);
            case Collective::exscan:
                return world.exscan(one, to_one, sum);
        }
    }

    const std::vector<ScheduleTask>& tasks_;
    const Board& board_;
    Words& words_;
    std::size_t rank_;
    std::uint32_t ranks_;
    std::optional<Node> node_;
    std::array<std::byte*, 2> arena_{};
    std::array<Memory, 2> ordinary_{Memory(most_bytes, Memory::Kind::is_private),
                                    Memory(most_bytes, Memory::Kind::is_private)};
    std::vector<std::unique_ptr<Named>> communicators_;
    unsigned written_ = 0;
};

}  // namespace

TaskTimes measure_schedules(std::span<const int> cpus, const std::vector<ScheduleTask>& tasks) {
    const Board board(tasks);
    const int ranks = static_cast<int>(cpus.size());
    const node::JobMemory job = node::JobMemory::create(ranks);
    run_ranks(asked, ranks, cpus,
              [&](int rank) { ScheduleRank(tasks, board, job, rank, ranks).measure(); });
    if (board.words().in_vain != 0) {
        throw Failure(fmt::format(
            "{}: the cores are taken by other programs, or by a limit of this control group, all "
            "the time; run it again when less is going on",
            asked));
    }
    TaskTimes times;
    for (std::size_t task = 0; task < tasks.size(); ++task) {
        Times& rows = times.emplace_back();
        for (std::size_t candidate = 0; candidate < tasks[task].candidates.size(); ++candidate) {
            std::vector<double>& row = rows.emplace_back();
            for (std::size_t size = 0; size < tasks[task].sizes.size(); ++size) {
                const Samples& samples = board.samples(task, candidate, size);
                row.push_back(std::max(lower_quartile({samples.ns.begin(),
                                                       samples.ns.begin() + samples.count}),
                                       1.0) /
                              1e9);
            }
        }
    }
    return times;
}

}  // namespace onecopy::cli
