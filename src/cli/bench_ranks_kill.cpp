// `onecopy bench ranks`, works `kill` and `kill_collectives`: a rank is killed amid messages, or
// collectives, again and again, and the others are asked when they learned of it.
//
// The ranks are started by the bench itself and meet by a key: `onecopy run` would end the others
// when one dies, before they have learned of anything.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <random>
#include <string>

#include "cli/bench_leftovers.hpp"
#include "cli/bench_ranks_job.hpp"
#include "cli/bench_ranks_works.hpp"
#include "cli/bench_timing.hpp"
#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

/// The kill falls so long after the ranks have begun, at the latest: some hundred messages.
constexpr std::int64_t most_delay_ns = 20'000'000;
constexpr std::uint32_t first_rounds = 3;

/// When a survivor learned of it, and amid what.
struct Learned {
    double ms = 0;
    int round = 0, rank = 0, victim = 0;
    std::string inside;
};

void sleep_ns(std::int64_t ns) noexcept {
    timespec rest{ns / 1'000'000'000, ns % 1'000'000'000};
    while (::clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, &rest) == EINTR) {
    }
}

/// All rounds with one number of ranks.
class Kills {
public:
    Kills(const RanksBench& bench, const std::string& work, int ranks, std::span<const int> cores,
          Report& report)
        : bench_(bench),
          work_(work),
          asked_("bench ranks: " + work),
          ranks_(ranks),
          cores_(cores),
          crowded_(static_cast<std::size_t>(ranks) > cores.size()),
          report_(report) {}

    void run() {
        const std::uint64_t before = least_shared_memory();
        for (int round = 0; round < bench_.rounds; ++round) measure(round);
        const std::uint64_t after = least_shared_memory();
        const double growth_mib =
            (static_cast<double>(after) - static_cast<double>(before)) / (1 << 20) / bench_.rounds;
        std::vector<double> growth = {std::max(0.0, growth_mib)};
        add(crowded_ ? figure_names::to_error_crowded : figure_names::to_error, "ms", times_);
        add(figure_names::hanging, "", hanging_);
        add(figure_names::left, "", left_);
        add(figure_names::shared_growth, "MiB", growth);
        if (worst_.inside.empty()) return;
        report_.notes.push_back(fmt::format(
            "{}: {} ranks: the last to learn of it was rank {} in round {}, {:.1f} ms after "
            "rank {} was killed, amid \"{}\".",
            work_, ranks_, worst_.rank, worst_.round, worst_.ms, worst_.victim, worst_.inside));
    }

private:
    void add(std::string_view what, std::string_view unit, std::vector<double>& samples) {
        report_.figures.push_back(make_figure("ranks", work_, what, unit, ranks_, samples));
    }

    void measure(int round) {
        RanksJob job(asked_);
        start(job);
        const std::string doing = fmt::format("round {} of {} ranks", round, ranks_);
        wait_for_traffic(job, doing);
        const int victim = std::uniform_int_distribution(0, ranks_ - 1)(random_);
        sleep_ns(std::uniform_int_distribution<std::int64_t>(0, most_delay_ns)(random_));
        job.somebody_has_ended();
        job.check(ranks_, doing);  // who ended before was not killed by us
        check_that_all_is_well(job, doing);
        const pid_t pid = job.pids()[static_cast<std::size_t>(victim)];
        const std::int64_t killed_ns = now_ns();
        ::kill(pid, SIGKILL);
        hear_survivors(job, round, victim, killed_ns);
        job.board().over.store(1, std::memory_order_release);
        const bool ended = job.wait(PatientGuard(bench_.guard_ms));
        look_for_leftovers(job, round, ended);
        if (ended) job.check(ranks_, doing, pid);
    }

    void start(RanksJob& job) {
        const std::string key = fmt::format("{:016x}{:016x}", random_(), random_());
        for (int rank = 0; rank < ranks_; ++rank) {
            std::vector<std::string> command = {bench_.driver, work_, "{board}"};
            if (!cores_.empty()) {
                const std::size_t core = static_cast<std::size_t>(rank) % cores_.size();
                command.push_back(std::to_string(cores_[core]));
            }
            job.start(std::move(command), {{"ONECOPY_JOB", "key:" + key},
                                           {"ONECOPY_RANK", std::to_string(rank)},
                                           {"ONECOPY_SIZE", std::to_string(ranks_)},
                                           {"ONECOPY_DIRECTORY", ""}});
        }
    }

    void wait_for_traffic(RanksJob& job, const std::string& doing) const {
        PatientGuard guard(bench_.start_guard_ms);
        const auto flows = [&] {
            for (int rank = 0; rank < ranks_; ++rank) {
                if (line(job, rank).rounds.load(std::memory_order_acquire) < first_rounds) {
                    return false;
                }
            }
            return true;
        };
        while (!flows()) {
            if (job.somebody_has_ended()) job.check(ranks_, doing);
            if (guard.nap()) continue;
            throw Failure(
                fmt::format("{}: {}: the ranks did not come so far as to exchange "
                            "messages within {:g} s; report it",
                            asked_, doing, bench_.start_guard_ms / 1e3));
        }
    }

    void check_that_all_is_well(const RanksJob& job, const std::string& doing) const {
        for (int rank = 0; rank < ranks_; ++rank) {
            if (!line(job, rank).has(Seen::error)) continue;
            throw Failure(
                fmt::format("{}: {}: rank {} had error {} before anybody was killed; "
                            "report it",
                            asked_, doing, rank, line(job, rank).error));
        }
    }

    void hear_survivors(const RanksJob& job, int round, int victim, std::int64_t killed_ns) {
        PatientGuard guard(bench_.guard_ms);
        const auto missing = [&] {
            int count = 0;
            for (int rank = 0; rank < ranks_; ++rank) {
                if (rank != victim && !line(job, rank).has(Seen::error)) ++count;
            }
            return count;
        };
        while (missing() > 0 && guard.nap()) {
        }
        hanging_.push_back(missing());
        for (int rank = 0; rank < ranks_; ++rank) {
            if (rank == victim) continue;
            const BoardLine& survivor = line(job, rank);
            if (!survivor.has(Seen::error)) {
                report_.failures.push_back(fmt::format(
                    "{}: round {} of {} ranks: rank {} had no error {:g} s after rank {} was "
                    "killed, and was ended amid \"{}\"; report it",
                    work_, round, ranks_, rank, bench_.guard_ms / 1e3, victim,
                    survivor.inside.data()));
                continue;
            }
            const double ms = static_cast<double>(survivor.error_ns - killed_ns) / 1e6;
            times_.push_back(ms);
            if (ms > worst_.ms) worst_ = {ms, round, rank, victim, survivor.inside.data()};
        }
    }

    void look_for_leftovers(const RanksJob& job, int round, bool ended) {
        std::vector<std::uint64_t> inodes;
        for (int rank = 0; rank < ranks_; ++rank) {
            const auto& files = line(job, rank).files;
            std::copy_if(files.begin(), files.end(), std::back_inserter(inodes),
                         [](std::uint64_t inode) { return inode != 0; });
        }
        const std::vector<pid_t> holders = holders_of_memory(inodes);
        left_.push_back(static_cast<double>(holders.size()) + (ended ? 0 : 1));
        if (!holders.empty()) {
            report_.failures.push_back(
                fmt::format("{}: round {} of {} ranks: process {} still has memory of the job; "
                            "report it",
                            work_, round, ranks_, holders.front()));
        }
        if (!ended && hanging_.back() == 0) {
            report_.failures.push_back(
                fmt::format("{}: round {} of {} ranks: a survivor that had learned of the death "
                            "did not end within {:g} s; report it",
                            work_, round, ranks_, bench_.guard_ms / 1e3));
        }
    }

    [[nodiscard]] static const BoardLine& line(const RanksJob& job, int rank) noexcept {
        return job.board().lines[static_cast<std::size_t>(rank)];
    }

    const RanksBench& bench_;
    const std::string& work_;
    std::string asked_;
    int ranks_;
    std::span<const int> cores_;
    bool crowded_;
    Report& report_;
    std::mt19937_64 random_{std::random_device{}()};
    std::vector<double> times_, hanging_, left_;
    Learned worst_;
};

}  // namespace

void measure_kill(const RanksBench& bench, const std::string& work, Report& report) {
    std::vector<int> cores = usable_cpus();
    cores.resize(std::min(cores.size(), std::size_t{2}));
    for (const int ranks : bench.kill_ranks) Kills(bench, work, ranks, cores, report).run();
    const std::string_view traffic =
        work == "kill"
            ? "They exchange messages of 8 bytes to 256 KiB, inline, mapped, out of ordinary "
              "memory, to neighbours, in pairs, any to one, and meet at barriers"
            : "They call barrier, bcast, reduce, allreduce, allgather, alltoall, gather, scatter, "
              "reduce_scatter, scan and exscan in an order that is drawn, of 8 bytes to 256 KiB, "
              "mapped and out of ordinary memory, a few of them without waiting at once";
    report.notes.push_back(fmt::format(
        "{}: {} rounds for each number of ranks, bound in turn to cores {}, a new job each. {}; "
        "one of them, drawn, gets SIGKILL at a moment drawn from {} ms. The time is from just "
        "before the kill to the return of the survivor's call with Errc::peer_died, both by "
        "CLOCK_MONOTONIC; who has it does nothing more, so that nobody learns of the death from a "
        "survivor's end.",
        work, bench.rounds, fmt::join(cores, ", "), traffic, most_delay_ns / 1'000'000));
    report.notes.push_back(fmt::format(
        "{}: after each round all processes of the job must end within {:g} s, and then no "
        "process of the machine may have a piece of its memory mapped or open (by the inodes of "
        "its memfds, which have no other name). Shmem of /proc/meminfo, which others change too, "
        "is compared over all rounds together: what one arena would leave each time is twice the "
        "limit.",
        work, bench.guard_ms / 1e3));
    report.notes.push_back(fmt::format(
        "{}: not measured: ranks that are outside of the library when one dies (they learn of it "
        "by their next call), more than four ranks, several NUMA nodes, death by a full machine.",
        work));
}

}  // namespace onecopy::cli
