#include "mpi/presence.hpp"

#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "mpi/ancestry.hpp"
#include "mpi/presence_rank.hpp"
#include "onecopy/transfer.hpp"

namespace onecopy::mpi {

namespace {

std::error_code probe_by_nonce(const Process& peer, const TableLine& line, bool& strange) {
    Nonce seen{};
    const Transfer got = read(peer, line.nonce_address, Segment(seen));
    strange = !got.error && seen != line.nonce;
    return got.error;
}

constexpr const char* no_coordinator =
    "local rank 0 runs without onecopy, or as another user, or is stopped";

Agreement refused(std::string reason, bool speaks = false) {
    Agreement no;
    no.reason = std::move(reason);
    no.speaks = speaks;
    return no;
}

/// The next connection of our own user's, or none yet.
os::Fd take_connection(const os::Fd& listener) {
    for (;;) {
        os::Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket && (errno == EINTR || errno == ECONNABORTED)) continue;
        if (!socket || same_user(socket.get())) return socket;
    }
}

}  // namespace

int milliseconds_until(Clock::time_point then) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(then - Clock::now()).count();
    return left > 0 ? static_cast<int>(left) : 0;
}

std::size_t table_bytes(int ranks) {
    constexpr std::size_t page = 4096;
    const std::size_t bytes = static_cast<std::size_t>(ranks) * sizeof(TableLine);
    return (bytes + page - 1) / page * page;
}

std::span<TableLine> table_of(const os::JobSegment& segment, int ranks) {
    return {reinterpret_cast<TableLine*>(segment.bytes().data()), static_cast<std::size_t>(ranks)};
}

Hello Presence::Rank::hello() const {
    Hello hello;
    hello.pid = ::getpid();
    hello.world_rank = place.world_rank;
    hello.world_size = place.world_size;
    hello.local_rank = place.local_rank;
    hello.local_size = place.local_size;
    hello.settings = terms.settings;
    hello.nonce_address = reinterpret_cast<std::uintptr_t>(&nonce);
    hello.nonce = nonce;
    hello.build = terms.build;
    hello.library = Text<128>(terms.library);
    hello.objection = Text<160>(objection);
    return hello;
}

Report Presence::Rank::reach(std::span<const TableLine> table, std::vector<Process>& peers) const {
    Report report;
    peers.clear();
    for (std::size_t i = 0; i < table.size(); ++i) {
        if (static_cast<int>(i) == place.local_rank) {
            peers.push_back(Process::self());
            continue;
        }
        std::error_code error;
        Process peer(table[i].pid, {}, error);
        bool strange = false;
        if (!error) error = options.probe(peer, table[i], strange);
        if (error || strange) {
            report.failed_local_rank = static_cast<int>(i);
            report.error = error.value();
            return report;
        }
        peers.push_back(std::move(peer));
    }
    return report;
}

Agreement Presence::Rank::agreed(std::span<const TableLine> table, std::vector<Process> peers,
                                 os::JobSegment segment) const {
    Agreement yes;
    yes.go = true;
    yes.peers = std::move(peers);
    for (const TableLine& line : table) yes.world_ranks.push_back(line.world_rank);
    yes.payload = segment.bytes().subspan(table_bytes(place.local_size), options.payload_bytes);
    segment.close_fd();
    yes.segment = std::move(segment);
    return yes;
}

Presence::Presence(Place place, Terms terms, PresenceOptions options)
    : rank_(std::make_unique<Rank>()) {
    rank_->place = std::move(place);
    rank_->terms = std::move(terms);
    rank_->options = std::move(options);
    if (!rank_->options.probe) rank_->options.probe = probe_by_nonce;
    if (!rank_->options.yama_scope) rank_->options.yama_scope = yama_scope;
    if (::getrandom(rank_->nonce.data(), rank_->nonce.size(), 0) !=
        static_cast<ssize_t>(rank_->nonce.size())) {
        throw std::system_error(errno, std::system_category(), "getrandom");
    }
    rank_->listener = listen_at(rank_->name_of(rank_->place.local_rank));
}

Presence::~Presence() = default;
Presence::Presence(Presence&&) noexcept = default;

const Place& Presence::place() const noexcept { return rank_->place; }

Agreement Presence::agree(std::string objection) {
    rank_->objection = std::move(objection);
    return rank_->place.local_rank == 0 ? coordinate() : follow();
}

/// A rank other than the coordinator: it waits until it is spoken to, answers, and takes the
/// verdict. Until it has answered a hello nobody can count on it, so it may still give up alone.
Agreement Presence::follow() {
    Rank& self = *rank_;
    // A connection to the coordinator's listener, which is never accepted: it ends when the
    // coordinator has decided or is gone.
    std::error_code error;
    os::Fd anchor = connect_to(self.name_of(0), error);
    if (anchor && !same_user(anchor.get())) anchor = os::Fd();

    const auto patience = Clock::now() + 2 * self.options.timeout;
    for (;;) {
        // Looked at before the connections: what came before the end is in the queue by now.
        const bool ended = !anchor || Clock::now() >= patience;
        if (os::Fd caller = take_connection(self.listener)) {
            if (auto agreement = serve(std::move(caller), patience)) return *std::move(agreement);
            continue;
        }
        if (ended) break;
        pollfd events[] = {{self.listener.get(), POLLIN, 0}, {anchor.get(), POLLIN, 0}};
        ::poll(events, 2, milliseconds_until(patience));
        if (events[1].revents != 0) anchor = os::Fd();
    }
    // No coordinator, or one that is stopped and will find nobody here when it goes on. Without one
    // the lowest rank that is here speaks; our listener stays open as long as this object does, so
    // that the ranks above see that we are here.
    if (anchor) self.listener = os::Fd();
    for (int lower = 1; lower < self.place.local_rank; ++lower) {
        const os::Fd other = connect_to(self.name_of(lower), error);
        if (other && same_user(other.get())) return refused(no_coordinator);
    }
    return refused(no_coordinator, true);
}

/// The conversation with whoever called; the agreement if that was the coordinator.
std::optional<Agreement> Presence::serve(os::Fd caller, Clock::time_point patience) {
    Rank& self = *rank_;
    std::vector<Process> peers;
    std::vector<TableLine> table;
    os::JobSegment segment;
    Packet packet;
    for (bool spoke = false;; spoke = true) {
        ssize_t got = -1;
        while (got < 0) {
            pollfd event{caller.get(), POLLIN, 0};
            ::poll(&event, 1, spoke ? -1 : milliseconds_until(patience));
            got = receive(caller.get(), packet);
            if (got < 0 && !spoke && Clock::now() >= patience) return std::nullopt;
        }
        // Who only connects and says nothing is another rank that looks whether we are here.
        if (got == 0 && !spoke) return std::nullopt;
        if (got == 0) {
            self.listener = os::Fd();
            return refused("local rank 0 ended before it could tell its verdict");
        }
        if (packet.as<Table>() != nullptr) {
            Report report;
            try {
                const int ranks = self.place.local_size;
                // It was sent: if it did not arrive, there was no descriptor free to put it into.
                if (!packet.fd) throw std::system_error(EMFILE, std::system_category());
                segment = os::JobSegment::adopt(std::move(packet.fd),
                                                table_bytes(ranks) + self.options.payload_bytes);
                const auto lines = table_of(segment, ranks);
                table.assign(lines.begin(), lines.end());
                report = self.reach(table, peers);
            } catch (const std::system_error& failure) {
                report.failed_local_rank = self.place.local_rank;
                report.error = failure.code().value();
            }
            send(caller.get(), report);
        } else if (const auto* retry = packet.as<Retry>()) {
            name_ptracer(retry->launcher);
            send(caller.get(), self.reach(table, peers));
        } else if (const auto* verdict = packet.as<Verdict>()) {
            self.listener = os::Fd();
            if (verdict->go == 0) return refused(std::string(verdict->reason.view()));
            return self.agreed(table, std::move(peers), std::move(segment));
        } else {
            // A hello, ours or that of another version, whose coordinator will see that we differ.
            send(caller.get(), self.hello());
        }
    }
}

std::chrono::milliseconds presence_timeout_from_environment() {
    const char* text = std::getenv("ONECOPY_PRESENCE_TIMEOUT_MS");
    int value = 0;
    if (text != nullptr) {
        const auto [at, error] = std::from_chars(text, text + std::strlen(text), value);
        if (error == std::errc() && *at == '\0' && value > 0) {
            return std::chrono::milliseconds(value);
        }
    }
    return std::chrono::milliseconds(10'000);
}

}  // namespace onecopy::mpi
