// A communicator's own meeting place: the members publish what they bring, wait for each other, and
// fetch from each other's memory. What they compute is in reduction.hpp. No MPI in here.
#pragma once

#include <cstdint>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "mpi/channel_store.hpp"
#include "mpi/traffic.hpp"
#include "onecopy/process.hpp"
#include "onecopy/transfer.hpp"

namespace onecopy::mpi {

/// What all channels of a process have in common. Outlives them.
struct Machine {
    Machine(ChannelStore shared, std::vector<Process> ranks, int own_rank)
        : store(shared), peers(std::move(ranks)), local_rank(own_rank) {}

    ChannelStore store;
    std::vector<Process> peers;  ///< by local rank; our own entry is Process::self()
    int local_rank;
    bool core_for_each =
        false;  ///< whether the ranks' processors are at least as many as the ranks
    Traffic traffic;
    CountedReader reader{traffic};
    /// Keeps the MPI's own messages moving while we wait, since a peer may wait for one of ours
    /// inside the MPI. Called by the waiting thread only.
    void (*progress)() = nullptr;
    /// For tests: every so-many-th fetch is refused, as foreign memory that cannot be read. 0:
    /// none.
    unsigned refuse_every = 0;
};

/// How far a member has come in an operation.
enum class Stage : std::uint8_t { published = 1, done };

/// One process's end of a channel. One thread at a time: a communicator carries one collective at a
/// time. Different channels are independent.
class Channel {
public:
    /// `members` names the local rank of each member, in the communicator's order; `rank` is ours.
    Channel(Machine& machine, Lease lease, std::vector<int> members, int rank);
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    [[nodiscard]] int size() const noexcept { return static_cast<int>(members_.size()); }
    [[nodiscard]] int rank() const noexcept { return rank_; }
    [[nodiscard]] Lease lease() const noexcept { return lease_; }
    /// Above every step that any member has taken so far.
    [[nodiscard]] std::uint64_t next_base() const noexcept { return base_; }

    /// Before each operation: ESRCH if a member has ended or given up. Then none may start here:
    /// the members' last offers would pass for their next ones.
    std::error_code whole() noexcept;

    /// Starts an operation: our part of it. `source` is what peers may read, until they have
    /// produced all their tiles.
    void publish(const Offer& offer, std::span<const std::byte> source) noexcept;

    /// A member's part of it; after await(published).
    [[nodiscard]] const Offer& offer(int member) const noexcept;

    /// Tells the members that we have come so far.
    void reach(Stage stage) noexcept;

    /// Waits until all members have come so far; serves their requests meanwhile. ESRCH: a member
    /// has ended, see lost(); the channel is of no use any more. So do the other waits.
    std::error_code await(Stage stage) noexcept;

    /// A member's ring: its place number `tile` of this operation, counted from 0. Ours may be
    /// written once await_room() has returned, another's read once await_produced() has.
    [[nodiscard]] std::span<std::byte> tile(int member, std::uint64_t tile) const noexcept;

    /// Waits until every member, or the one of that rank, has taken the tile whose place ours gets.
    std::error_code await_room(std::uint64_t tile, int only = everybody) noexcept;
    /// Waits until that member has produced so many tiles.
    std::error_code await_produced(int member, std::uint64_t tiles) noexcept;
    /// Says that we have produced, or taken from every member, so many tiles of this operation.
    void produced(std::uint64_t tiles) noexcept;
    void consumed(std::uint64_t tiles) noexcept;
    static constexpr int everybody = -1;

    /// Copies from a member's memory: directly, or, where that is refused, with the help of its
    /// owner. ESRCH as await(); EFAULT, the owner refused: it never offered that memory.
    std::error_code fetch(int member, std::uint64_t address, Segment into) noexcept;

    /// Ends the operation; all members do, at the same point.
    void finish() noexcept;

    /// Gives the channel up after an error: nobody waits on it any more.
    void abandon() noexcept;

    /// The member that has ended or given up; -1: none.
    [[nodiscard]] int lost() const noexcept { return lost_; }

private:
    class Patience;

    [[nodiscard]] Seat& seat(int member) const noexcept;
    [[nodiscard]] const Process& process(int member) const noexcept;
    [[nodiscard]] std::uint64_t step(Stage stage) const noexcept;
    [[nodiscard]] std::uint64_t count(std::uint64_t tiles) const noexcept;
    void announce(std::atomic<std::uint64_t>& word, std::uint64_t value) noexcept;
    std::error_code await_all(std::atomic<std::uint64_t> Seat::*word, std::uint64_t value,
                              int only) noexcept;
    void ring(Seat& seat) noexcept;
    void serve() noexcept;
    std::error_code fetch_staged(int member, std::uint64_t address, Segment into) noexcept;
    template <class Ready>
    std::error_code wait(const Ready& ready) noexcept;
    std::error_code look_for_the_dead() noexcept;
    std::error_code lose(int member) noexcept;

    Machine& machine_;
    Lease lease_;
    std::vector<int> members_;
    int rank_;
    std::uint64_t base_;
    std::uint32_t bell_seen_ = 0;
    unsigned fetches_ = 0;
    int lost_ = -1;
    std::span<const std::byte> source_;
};

}  // namespace onecopy::mpi
