// One group of processes measures one work: rank 0 receives, ranks 1 to N send, one lane each.
//
// The ways take turns message by message, so that a change of the machine's mood hits all alike,
// and in another order every round, so that none always finds the caches as one other left them.
// For each message: the senders write it, all meet, who has work to do does it against the clock,
// all meet again, the receiver looks at every byte. The time of an operation is from the first
// start to the last end.
#include "cli/bench_group.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <numeric>
#include <random>
#include <system_error>

#include "cli/bench_lanes.hpp"
#include "cli/bench_pattern.hpp"
#include "cli/bench_ranks.hpp"
#include "cli/bench_timing.hpp"
#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

constexpr std::string_view asked = "bench transfer";
constexpr std::size_t max_ways = 16;
constexpr std::size_t max_ranks = max_senders + 1;

/// How often a combination is repeated when nobody said: until its time is up, within bounds.
struct Repetitions {
    std::uint64_t least;
    std::uint64_t most;
    std::int64_t budget_ns;  // for all ways of one size together
};

Repetitions repetitions_of(const TransferBench& bench) {
    if (bench.repetitions > 0) return {bench.repetitions, bench.repetitions, 0};
    if (bench.quick) return {3, 201, 60'000'000};
    return {7, 2001, 800'000'000};
}

/// When a rank began and ended its part of an operation; zeros if it had none.
struct alignas(64) Stamp {
    std::int64_t begin = 0;
    std::int64_t end = 0;
};

/// What the ranks of a group share besides the lanes. Plain members are written by one rank, and
/// read by others on the other side of a barrier.
struct Board {
    Barrier meet;   // all are ready for an operation
    Barrier start;  // those who have work to do are awake
    Barrier close;  // it is over
    /// Of even and of odd messages: a rank clears its stamp for the next message while rank 0 still
    /// reads those of the last one.
    std::array<std::array<Stamp, max_ranks>, 2> stamps{};
    std::array<std::atomic<pid_t>, max_ranks> pids{};
    bool enough = false;  // rank 0: no more rounds of this size

    /// Why a way is not measured. `claimed` admits one rank's words.
    struct Refusal {
        std::atomic<bool> claimed{false};
        std::array<char, 160> words{};
    };
    std::array<Refusal, max_ways> refusals{};
};

/// The results of one size and way, written by rank 0.
struct Cell {
    std::uint64_t rounds = 0;
    std::uint64_t wrong = 0;
};

/// One group: a work, a number of senders, all sizes and ways.
class Group {
public:
    Group(const TransferBench& bench, Work work, std::size_t senders,
          std::vector<std::uint64_t> sizes, std::vector<std::string> ways)
        : bench_(bench),
          work_(work),
          sizes_(std::move(sizes)),
          ways_(std::move(ways)),
          repetitions_(repetitions_of(bench)),
          lanes_(asked, senders, sizes_.back()),
          board_memory_(sizeof(Board), Memory::Kind::is_shared),
          results_(sizes_.size() * ways_.size() *
                       (sizeof(Cell) + 2 * repetitions_.most * sizeof(double)),
                   Memory::Kind::is_shared),
          board_(*new (board_memory_.data()) Board) {}

    /// Runs the group, then adds its rows and the reasons for those that are missing.
    void run(std::span<const int> cpus, Report& report) {
        crowded_ = cpus.size() < lanes_.size() + 1;
        run_ranks(asked, ranks(), cpus, [this](int rank) { live(rank); });
        for (std::size_t w = 0; w < ways_.size(); ++w) {
            if (!refused(w)) continue;
            report.notes.push_back(fmt::format("{}: {} is left out, refused here: {}",
                                               name_of(work_), ways_[w],
                                               board_.refusals[w].words.data()));
        }
        for (std::size_t s = 0; s < sizes_.size(); ++s) {
            for (std::size_t w = 0; w < ways_.size(); ++w) {
                if (refused(w)) continue;
                const Cell& got = cell(s, w);
                std::vector<double> times(samples(s, w), samples(s, w) + got.rounds);
                report.rows.push_back(make_row("transfer", name_of(work_), ways_[w], ranks(),
                                               sizes_[s], sizes_[s] * lanes_.size(), times,
                                               got.wrong == 0));
                // Of the ceiling nothing is claimed: its copies end before the other writers of
                // their cores have begun.
                if (!also_in_turn(s) || report.machine.cores < 2 || ways_[w] == "memcpy") continue;
                times.assign(turns(s, w), turns(s, w) + got.rounds);
                const Row in_turn = make_row("transfer", name_of(work_), ways_[w], ranks(),
                                             sizes_[s], 0, times, true);
                report.verdicts.push_back(
                    judge_incast(report.rows.back(), in_turn, report.machine.cores));
            }
        }
    }

private:
    [[nodiscard]] int ranks() const noexcept { return static_cast<int>(lanes_.size()) + 1; }

    [[nodiscard]] std::uint32_t everybody() const noexcept {
        return static_cast<std::uint32_t>(ranks());
    }
    [[nodiscard]] Waiting waiting() const noexcept {
        return crowded_ ? Waiting::sleep : Waiting::spin;
    }

    /// How many ranks have work to do when `senders` send.
    static std::uint32_t workers(const Way& way, std::size_t senders) {
        return (way.works(Side::receiver) ? 1U : 0U) +
               (way.works(Side::sender) ? static_cast<std::uint32_t>(senders) : 0U);
    }

    Cell& cell(std::size_t size, std::size_t way) noexcept {
        return reinterpret_cast<Cell*>(results_.data())[size * ways_.size() + way];
    }
    double* samples(std::size_t size, std::size_t way) noexcept {
        std::byte* behind = results_.data() + sizes_.size() * ways_.size() * sizeof(Cell);
        return reinterpret_cast<double*>(behind) + (size * ways_.size() + way) * repetitions_.most;
    }
    /// What the same messages took when the senders went one after the other.
    double* turns(std::size_t size, std::size_t way) noexcept {
        return samples(size, way) + sizes_.size() * ways_.size() * repetitions_.most;
    }
    /// Only where a verdict asks for it: it costs as many operations as there are senders.
    [[nodiscard]] bool also_in_turn(std::size_t size) const noexcept {
        return lanes_.size() > 1 && sizes_[size] == judged_incast_bytes(bench_.sizes);
    }
    bool refused(std::size_t way) noexcept { return board_.refusals[way].claimed.load(); }

    // Below: what each rank does, in its own process.

    using WaysOfLane = std::vector<std::unique_ptr<Way>>;

    void live(int rank) {
        board_.pids[static_cast<std::size_t>(rank)].store(::getpid());
        board_.close.wait(everybody(), waiting());
        const Side side = rank == 0 ? Side::receiver : Side::sender;
        std::vector<WaysOfLane> mine;  // of the lanes that this rank has an end of
        for (std::size_t i = 0; i < lanes_.size(); ++i) {
            if (side == Side::sender && i + 1 != static_cast<std::size_t>(rank)) continue;
            lanes_[i].receiver = board_.pids[0].load();
            lanes_[i].sender = board_.pids[i + 1].load();
            WaysOfLane ways;
            for (const std::string& way : ways_) ways.push_back(make_way(way, work_, lanes_[i]));
            mine.push_back(std::move(ways));
        }
        open(side, mine);
        for (std::size_t s = 0; s < sizes_.size(); ++s) measure(rank, side, s, mine);
    }

    void open(Side side, std::vector<WaysOfLane>& mine) {
        for (std::size_t w = 0; w < ways_.size(); ++w) {
            for (WaysOfLane& ways : mine) {
                try {
                    ways[w]->open(side);
                } catch (const Refused& reason) {
                    Board::Refusal& refusal = board_.refusals[w];
                    if (!refusal.claimed.exchange(true)) {
                        std::strncpy(refusal.words.data(), reason.what(), refusal.words.size() - 1);
                    }
                }
            }
            board_.close.wait(everybody(), waiting());
        }
    }

    void measure(int rank, Side side, std::size_t size, std::vector<WaysOfLane>& mine) {
        const std::int64_t start = now_ns();
        std::vector<std::size_t> order(ways_.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::minstd_rand shuffler(42);             // every rank shuffles alike
        for (std::uint64_t round = 0;; ++round) {  // round 0 warms up
            std::shuffle(order.begin(), order.end(), shuffler);
            for (const std::size_t w : order) {
                if (refused(w)) continue;
                Message message{sizes_[size], (round * sizes_.size() + size) * max_ways + w, w, 0,
                                lanes_.size()};
                bool right = pass(rank, side, message, mine);
                const double together = elapsed_us(messages_ % 2);
                double in_turn = 0;
                for (std::size_t i = 0; also_in_turn(size) && i < lanes_.size(); ++i) {
                    message.first = i;
                    message.last = i + 1;
                    message.seed += std::uint64_t{1} << 32;
                    right &= pass(rank, side, message, mine);
                    in_turn += elapsed_us(messages_ % 2);
                }
                if (side == Side::sender || round == 0) continue;
                Cell& got = cell(size, w);
                samples(size, w)[got.rounds] = together;
                turns(size, w)[got.rounds] = in_turn;
                ++got.rounds;
                got.wrong += right ? 0 : 1;
            }
            if (rank == 0) {
                board_.enough =
                    round >= repetitions_.most ||
                    (round >= repetitions_.least && now_ns() - start > repetitions_.budget_ns);
            }
            board_.close.wait(everybody(), waiting());
            const bool enough = board_.enough;
            board_.close.wait(everybody(), waiting());
            if (enough) return;
        }
    }

    /// One operation, along the lanes from `first` up to `last`.
    struct Message {
        std::uint64_t bytes;
        std::uint64_t seed;
        std::size_t way;
        std::size_t first;
        std::size_t last;
    };

    /// This rank's part in it. True if the receiver, asked on its side, finds every byte right.
    bool pass(int rank, Side side, const Message& message, std::vector<WaysOfLane>& mine) {
        std::vector<Way*> lanes;  // those that carry the message and end here
        for (std::size_t i = message.first; i < message.last; ++i) {
            if (side == Side::receiver) {
                lanes.push_back(mine[i][message.way].get());
            } else if (i + 1 == static_cast<std::size_t>(rank)) {
                lanes.push_back(mine.front()[message.way].get());
            }
        }
        for (Way* lane : lanes) {
            prepare(side, *lane, message, static_cast<std::size_t>(rank) - 1);
            lane->start(message.bytes);
        }
        Stamp& stamp = board_.stamps[++messages_ % 2][static_cast<std::size_t>(rank)];
        stamp = {};
        if (lanes.empty() || !lanes.front()->works(side)) {
            board_.meet.arrive(everybody(), waiting());  // and is then asleep, in nobody's way
        } else {
            board_.meet.wait(everybody(), waiting());
            board_.start.wait(workers(*lanes.front(), message.last - message.first),
                              crowded_ ? Waiting::yield : Waiting::spin);
            stamp.begin = now_ns();
            work(side, lanes);
            stamp.end = now_ns();
        }
        board_.close.wait(everybody(), waiting());
        return side == Side::sender || arrived(message, lanes);
    }

    void work(Side side, std::span<Way* const> lanes) {
        for (;;) {
            bool done = true;
            for (Way* lane : lanes) done &= lane->step(side);
            if (done) return;
            relax(crowded_);
        }
    }

    void prepare(Side side, const Way& lane, const Message& message, std::size_t index) const {
        if (side == Side::sender) {
            const std::span<std::byte> to = lane.source().first(message.bytes);
            const std::uint64_t seed = message.seed + sender_seed(index);
            work_ == Work::reduce ? fill_doubles(to, seed) : fill_bytes(to, seed);
        } else if (work_ == Work::reduce) {
            fill_doubles(lane.destination().first(message.bytes), ~message.seed);
        } else {
            // Only a finished copy passes; and no way finds a destination that others of the round
            // have driven out of the receiver's cache.
            const std::span<std::byte> to = lane.destination().first(message.bytes);
            std::memset(to.data(), static_cast<int>(message.seed & 0xff), to.size());
        }
    }

    bool arrived(const Message& message, std::span<Way* const> lanes) const {
        bool right = true;
        for (std::size_t i = 0; i < lanes.size(); ++i) {
            const std::span<std::byte> got = lanes[i]->destination().first(message.bytes);
            const std::uint64_t seed = message.seed + sender_seed(message.first + i);
            if (bench_.corrupt == ways_[message.way]) got.back() ^= std::byte{1};
            right &= work_ == Work::reduce ? holds_sum(got, seed, ~message.seed)
                                           : holds_bytes(got, seed);
        }
        return right;
    }

    /// Keeps the messages of the senders of one round apart.
    static std::uint64_t sender_seed(std::size_t lane) noexcept {
        return static_cast<std::uint64_t>(lane) << 48;
    }

    [[nodiscard]] double elapsed_us(std::size_t parity) const noexcept {
        std::int64_t begin = INT64_MAX;
        std::int64_t end = 0;
        for (const Stamp& stamp : board_.stamps[parity]) {
            if (stamp.end == 0) continue;  // had nothing to do
            begin = std::min(begin, stamp.begin);
            end = std::max(end, stamp.end);
        }
        return static_cast<double>(end - begin) / 1e3;
    }

    const TransferBench& bench_;
    Work work_;
    std::vector<std::uint64_t> sizes_;
    std::vector<std::string> ways_;
    Repetitions repetitions_;
    Lanes lanes_;
    Memory board_memory_;
    Memory results_;
    Board& board_;
    bool crowded_ = false;        // more ranks than cores
    std::uint64_t messages_ = 0;  // each rank counts its own; they agree at every barrier
};

}  // namespace

void measure_group(const TransferBench& bench, Work work, std::size_t senders,
                   std::vector<std::uint64_t> sizes, std::vector<std::string> ways,
                   std::span<const int> cpus, Report& report) {
    Group(bench, work, senders, std::move(sizes), std::move(ways)).run(cpus, report);
}

}  // namespace onecopy::cli
