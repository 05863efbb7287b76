// The coordinator's part: it alone decides, and it alone has a timer.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "mpi/ancestry.hpp"
#include "mpi/presence_rank.hpp"

namespace onecopy::mpi {

namespace {

std::string named(int world_rank) { return "rank " + std::to_string(world_rank); }
std::string named_locally(int local_rank) { return "local rank " + std::to_string(local_rank); }

/// An errno, with what to do where it is a limit that can be raised.
std::string in_words(int error) {
    const std::string text = std::strerror(error);
    return error == EMFILE ? text + " (ulimit -n)" : text;
}

/// The connections to all other ranks, and the first thing that went wrong with any of them.
class Round {
public:
    Round(int ranks, std::chrono::milliseconds timeout)
        : sockets_(static_cast<std::size_t>(ranks)),
          timeout_(timeout),
          deadline_(Clock::now() + timeout) {}

    [[nodiscard]] const std::string& objection() const noexcept { return objection_; }

    /// Keeps the first objection: those after it mostly follow from it.
    void object(std::string text) {
        if (objection_.empty()) objection_ = std::move(text);
    }

    void connect(int local_rank, const Name& name) {
        std::error_code error;
        os::Fd socket = connect_to(name, error);
        if (!socket) {
            object(named_locally(local_rank) +
                   (error.value() == ECONNREFUSED
                        ? " runs without onecopy (another program in the job, or an environment "
                          "without LD_PRELOAD)"
                        : " cannot be reached: " + in_words(error.value())));
        } else if (!same_user(socket.get())) {
            object("another user's process listens in the place of " + named_locally(local_rank));
        } else {
            sockets_[static_cast<std::size_t>(local_rank)] = std::move(socket);
        }
    }

    template <class T>
    void tell_all(const T& record, int fd = -1) {
        for (std::size_t i = 1; i < sockets_.size(); ++i) {
            // Whoever cannot be told has ended: the answer that is missing will say so.
            if (sockets_[i]) send(sockets_[i].get(), record, fd);
        }
    }

    /// One answer of every rank, in place of its local rank. False if one is missing: see
    /// objection().
    template <class T>
    bool gather(std::vector<T>& answers) {
        answers.assign(sockets_.size(), T());
        std::vector<bool> answered(sockets_.size(), false);
        std::size_t missing = sockets_.size() - 1;
        Packet packet;
        while (missing > 0) {
            std::vector<pollfd> events;
            for (std::size_t i = 1; i < sockets_.size(); ++i) {
                events.push_back({answered[i] ? -1 : sockets_[i].get(), POLLIN, 0});
            }
            const int wait = milliseconds_until(deadline_);
            if (::poll(events.data(), events.size(), wait) == 0 && wait == 0) {
                const auto late = std::find(answered.begin() + 1, answered.end(), false);
                object(named_locally(static_cast<int>(late - answered.begin())) +
                       " gave no answer in " + std::to_string(timeout_.count()) +
                       " ms (stopped, or the machine is overloaded; "
                       "ONECOPY_PRESENCE_TIMEOUT_MS waits longer)");
                return false;
            }
            for (std::size_t i = 1; i < sockets_.size(); ++i) {
                if (answered[i] || events[i - 1].revents == 0) continue;
                const ssize_t got = receive(sockets_[i].get(), packet);
                if (got < 0) continue;
                const T* answer = got == 0 ? nullptr : packet.as<T>();
                if (answer == nullptr) {
                    object(named_locally(static_cast<int>(i)) +
                           (got == 0 ? " ended or gave up" : " runs another version of onecopy"));
                    return false;
                }
                answers[i] = *answer;
                answered[i] = true;
                --missing;
            }
        }
        return true;
    }

private:
    std::vector<os::Fd> sockets_;
    std::chrono::milliseconds timeout_;
    Clock::time_point deadline_;
    std::string objection_;
};

/// What two ranks must have in common; empty if all is well.
std::string difference(const Hello& mine, const Hello& other, int local_rank) {
    const std::string who = named(other.world_rank);
    if (!other.objection.empty()) return who + ": " + std::string(other.objection.view());
    if (other.build != mine.build) return who + " runs another build of onecopy";
    if (other.settings != mine.settings) return who + " runs with other settings of onecopy";
    if (other.library.view() != mine.library.view()) return who + " runs another MPI library";
    if (other.local_rank != local_rank || other.local_size != mine.local_size ||
        other.world_size != mine.world_size) {
        return who + " belongs to another job";
    }
    return {};
}

/// The user's words for a report that names a rank.
std::string told(const Report& report, int by_world_rank, std::span<const TableLine> table) {
    const auto whom = static_cast<std::size_t>(report.failed_local_rank);
    const std::string who = named(by_world_rank);
    if (whom >= table.size()) return who + " sent a report that makes no sense";
    if (table[whom].world_rank == by_world_rank) {
        return who + " cannot use the job's memory: " + in_words(report.error);
    }
    const std::string other = named(table[whom].world_rank);
    const std::string pid = std::to_string(table[whom].pid);
    if (report.error == 0) {
        return who + " finds a stranger under " + other + "'s pid " + pid +
               " (other pid namespaces?)";
    }
    if (report.error == EMFILE || report.error == ENFILE) {
        return who + " has no descriptor free to hold on to " + other + ": " +
               in_words(report.error);
    }
    return who + " cannot read " + other + "'s memory: " + std::strerror(report.error) +
           " (`onecopy doctor " + pid + "` names the guard)";
}

}  // namespace

Agreement Presence::coordinate() {
    Rank& self = *rank_;
    const int ranks = self.place.local_size;
    Round round(ranks, self.options.timeout);

    const auto conclude = [&](bool go) {
        Verdict verdict;
        verdict.go = go ? 1 : 0;
        verdict.reason = Text<200>(round.objection());
        round.tell_all(verdict);
        self.listener = os::Fd();
        Agreement agreement;
        agreement.reason = round.objection();
        agreement.speaks = !go;
        return agreement;
    };

    for (int i = 1; i < ranks; ++i) round.connect(i, self.name_of(i));
    if (!round.objection().empty()) return conclude(false);

    const Hello mine = self.hello();
    round.tell_all(mine);
    std::vector<Hello> hellos;
    if (!round.gather(hellos)) return conclude(false);
    hellos[0] = mine;
    for (int i = 0; i < ranks; ++i) {
        const std::string objection = difference(mine, hellos[static_cast<std::size_t>(i)], i);
        if (!objection.empty()) round.object(objection);
    }
    if (!round.objection().empty()) return conclude(false);

    os::JobSegment segment;
    try {
        segment = os::JobSegment::create(table_bytes(ranks) + self.options.payload_bytes);
    } catch (const std::system_error& failure) {
        round.object(std::string("no memory to share: ") + failure.what());
        return conclude(false);
    }
    const auto table = table_of(segment, ranks);
    for (std::size_t i = 0; i < table.size(); ++i) {
        table[i] = {hellos[i].pid, hellos[i].world_rank, hellos[i].nonce_address, hellos[i].nonce};
    }
    Table announcement;
    announcement.segment_bytes = segment.bytes().size();
    round.tell_all(announcement, segment.fd());

    std::vector<Process> peers;
    std::vector<Report> reports;
    for (bool named_launcher = false;;) {
        const Report own = self.reach(table, peers);
        if (!round.gather(reports)) return conclude(false);
        reports[0] = own;
        const auto failed = [](const Report& report) { return report.failed_local_rank >= 0; };
        const auto refused = [](const Report& report) { return report.error == EPERM; };
        const auto first = std::find_if(reports.begin(), reports.end(), failed);
        if (first == reports.end()) break;

        static constexpr int relatives_only = 1;  // the one scope in which naming a tracer helps
        const bool yama = self.options.yama_scope() == relatives_only;
        if (yama && std::any_of(reports.begin(), reports.end(), refused)) {
            std::vector<int> pids;
            for (const TableLine& line : table) pids.push_back(line.pid);
            const int launcher = common_ancestor(pids);
            if (launcher > 1 && !named_launcher) {
                named_launcher = true;
                name_ptracer(launcher);
                Retry retry;
                retry.launcher = launcher;
                round.tell_all(retry);
                continue;
            }
        }
        const auto by = static_cast<std::size_t>(first - reports.begin());
        round.object(told(*first, table[by].world_rank, table));
        return conclude(false);
    }
    conclude(true);
    return self.agreed(table, std::move(peers), std::move(segment));
}

}  // namespace onecopy::mpi
