#include "mpi/channel.hpp"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "os/futex.hpp"
#include "os/pause.hpp"

namespace onecopy::mpi {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// A wait goes through stages. Spinning costs a core but no time, and only while each rank has one;
/// after a while it moves the MPI's messages as well. Yielding gives the core to whoever needs it.
/// Sleeping comes when a peer is far behind (stopped, in a debugger, computing): it costs nothing,
/// but the MPI's messages move only at each awakening.
///
/// Whoever yields to another job's process gives a whole turn away, some 3 ms, and an operation has
/// a dozen waits: so not before several turns have passed, in which the peer, were it waiting for
/// this core, had one. docs/decisions/020 has the figures.
constexpr unsigned spins = 2000;  // some 30 us
constexpr milliseconds spin_with_core_for_each{10};
constexpr milliseconds yield_with_core_for_each{100};
constexpr milliseconds yield_when_crowded{10};
constexpr milliseconds longest_nap{10};
constexpr milliseconds between_looks_for_the_dead{50};

constexpr std::uint64_t steps_per_operation = 2;

/// Tiles are counted from the operation's first step, in its lower bits: 128 GiB fit.
constexpr unsigned tile_bits = 20;

std::error_code system_error(int error) noexcept { return {error, std::system_category()}; }

bool within(std::span<const std::byte> memory, std::uint64_t address, std::uint64_t bytes) {
    const std::uint64_t first = reinterpret_cast<std::uintptr_t>(memory.data());
    return address >= first && bytes <= memory.size() && address - first <= memory.size() - bytes;
}

}  // namespace

Channel::Channel(Machine& machine, Lease lease, std::vector<int> members, int rank)
    : machine_(machine),
      lease_(lease),
      members_(std::move(members)),
      rank_(rank),
      base_(lease.base) {}

Seat& Channel::seat(int member) const noexcept {
    return machine_.store.seat(lease_.channel, members_[static_cast<std::size_t>(member)]);
}

const Process& Channel::process(int member) const noexcept {
    const int local_rank = members_[static_cast<std::size_t>(member)];
    return machine_.peers[static_cast<std::size_t>(local_rank)];
}

std::uint64_t Channel::step(Stage stage) const noexcept {
    return base_ + static_cast<std::uint64_t>(stage);
}

std::uint64_t Channel::count(std::uint64_t tiles) const noexcept {
    return (base_ << tile_bits) + tiles;
}

std::span<std::byte> Channel::tile(int member, std::uint64_t tile) const noexcept {
    const int local_rank = members_[static_cast<std::size_t>(member)];
    return machine_.store.tile(lease_.channel, local_rank, tile);
}

std::error_code Channel::whole() noexcept {
    // A hint is enough (relaxed). Whoever poisons the channel never publishes on it again: so those
    // who come too early to see it wait for that member in vain, and see it there.
    const auto& poisoned = machine_.store.head(lease_.channel).poisoned;
    return poisoned.load(std::memory_order_relaxed) != 0 ? lose(rank_) : std::error_code();
}

void Channel::publish(const Offer& offer, std::span<const std::byte> source) noexcept {
    source_ = source;
    seat(rank_).offers[base_ / steps_per_operation % 2] = offer;
    reach(Stage::published);
}

const Offer& Channel::offer(int member) const noexcept {
    return seat(member).offers[base_ / steps_per_operation % 2];
}

void Channel::announce(std::atomic<std::uint64_t>& word, std::uint64_t value) noexcept {
    word.store(value, std::memory_order_seq_cst);  // (A), (C)
    for (int member = 0; member < size(); ++member) {
        Seat& other = seat(member);
        if (member != rank_ && other.asleep.load(std::memory_order_seq_cst) != 0) ring(other);
    }
}

void Channel::reach(Stage stage) noexcept { announce(seat(rank_).step, step(stage)); }

void Channel::produced(std::uint64_t tiles) noexcept {
    announce(seat(rank_).produced, count(tiles));
}

void Channel::consumed(std::uint64_t tiles) noexcept {
    announce(seat(rank_).consumed, count(tiles));
}

void Channel::ring(Seat& other) noexcept {
    other.bell.fetch_add(1, std::memory_order_seq_cst);
    if (other.asleep.load(std::memory_order_seq_cst) != 0) os::futex_wake(other.bell);
}

std::error_code Channel::await_all(std::atomic<std::uint64_t> Seat::*word, std::uint64_t value,
                                   int only) noexcept {
    int next = only == everybody ? 0 : only;
    const int end = only == everybody ? size() : only + 1;
    return wait([&]() noexcept {
        while (next < end) {
            const bool there =
                next == rank_ ||
                (seat(next).*word).load(std::memory_order_seq_cst) >= value;  // (A), (C)
            if (!there) return false;
            ++next;
        }
        return true;
    });
}

std::error_code Channel::await(Stage stage) noexcept {
    return await_all(&Seat::step, step(stage), everybody);
}

std::error_code Channel::await_room(std::uint64_t tile, int only) noexcept {
    // The places are all free at an operation's start: nobody starts one before all are through
    // with the last.
    if (tile < ChannelStore::ring_tiles) return {};
    return await_all(&Seat::consumed, count(tile + 1 - ChannelStore::ring_tiles), only);
}

std::error_code Channel::await_produced(int member, std::uint64_t tiles) noexcept {
    return await_all(&Seat::produced, count(tiles), member);
}

void Channel::finish() noexcept {
    base_ += steps_per_operation;
    source_ = {};
}

template <class Ready>
std::error_code Channel::wait(const Ready& ready) noexcept {
    Seat& own = seat(rank_);
    const auto& poisoned = machine_.store.head(lease_.channel).poisoned;
    const auto spin_for = machine_.core_for_each ? spin_with_core_for_each : milliseconds{0};
    const auto yield_for = machine_.core_for_each ? yield_with_core_for_each : yield_when_crowded;
    milliseconds nap{1};
    Clock::time_point start{};
    Clock::time_point looked{};
    for (unsigned turn = 0;; ++turn) {
        if (ready()) return {};
        if (own.bell.load(std::memory_order_relaxed) != bell_seen_) serve();
        if (machine_.core_for_each && turn < spins) {
            os::pause();
            continue;
        }
        if (poisoned.load(std::memory_order_relaxed) != 0) return lose(rank_);
        if (machine_.progress != nullptr) machine_.progress();
        const Clock::time_point now = Clock::now();
        if (start == Clock::time_point{}) start = looked = now;
        if (now - start >= spin_for) ::sched_yield();
        if (now - looked >= between_looks_for_the_dead) {
            looked = now;
            if (const auto error = look_for_the_dead()) return error;
        }
        if (now - start < yield_for) continue;

        own.asleep.store(1, std::memory_order_seq_cst);  // (C)
        if (!ready() && own.bell.load(std::memory_order_seq_cst) == bell_seen_) {
            os::futex_wait(own.bell, bell_seen_, nap);
            nap = std::min(2 * nap, longest_nap);
        }
        own.asleep.store(0, std::memory_order_relaxed);
    }
}

std::error_code Channel::look_for_the_dead() noexcept {
    for (int member = 0; member < size(); ++member) {
        if (member == rank_ || process(member).alive()) continue;
        // Whoever is through with this operation may go; asked after its death, so its last word.
        if (seat(member).step.load(std::memory_order_acquire) < step(Stage::done)) {
            return lose(member);
        }
    }
    return {};
}

/// Poisons the channel, for others may wait for a member that is alive but leaves with this error.
/// Whoever was lost first is named by all.
std::error_code Channel::lose(int member) noexcept {
    auto& poisoned = machine_.store.head(lease_.channel).poisoned;
    std::uint32_t named = 0;
    if (poisoned.compare_exchange_strong(named, static_cast<std::uint32_t>(member) + 1)) {
        named = static_cast<std::uint32_t>(member) + 1;
        for (int other = 0; other < size(); ++other) {
            if (other != rank_) ring(seat(other));
        }
    }
    lost_ = static_cast<int>(named) - 1;
    return system_error(ESRCH);
}

void Channel::abandon() noexcept { static_cast<void>(lose(rank_)); }

std::error_code Channel::fetch(int member, std::uint64_t address, Segment into) noexcept {
    Transfer got;
    const bool refuse = machine_.refuse_every != 0 && ++fetches_ % machine_.refuse_every == 0;
    if (!refuse) {
        got = machine_.reader.read(process(member), address, into);
        if (!got.error) return {};
        if (got.error.value() == ESRCH) return lose(member);
    }
    return fetch_staged(member, address + got.bytes, into.subspan(got.bytes));
}

/// Memory that cannot be read from outside (a right revoked, memfd_secret, a device's page) can be
/// read by its owner, who will come to wait for us sooner or later.
std::error_code Channel::fetch_staged(int member, std::uint64_t address, Segment into) noexcept {
    const auto staging =
        machine_.store.staging(lease_.channel, members_[static_cast<std::size_t>(rank_)]);
    Seat& own = seat(rank_);
    while (!into.empty()) {
        const std::size_t bytes = std::min(into.size(), staging.size());
        own.request_owner = static_cast<std::uint32_t>(members_[static_cast<std::size_t>(member)]);
        own.request_address = address;
        own.request_bytes = bytes;
        own.request.store(RequestState::asked, std::memory_order_release);  // (B)
        ring(seat(member));
        RequestState state = RequestState::asked;
        const auto error = wait([&]() noexcept {
            state = own.request.load(std::memory_order_acquire);  // (B)
            return state != RequestState::asked;
        });
        if (error) return error;
        own.request.store(RequestState::idle, std::memory_order_relaxed);
        if (state == RequestState::refused) return system_error(EFAULT);
        std::memcpy(into.data(), staging.data(), bytes);
        machine_.traffic.staged.fetch_add(bytes, std::memory_order_relaxed);
        address += bytes;
        into = into.subspan(bytes);
    }
    return {};
}

/// Answers whoever asked for our memory.
void Channel::serve() noexcept {
    bell_seen_ = seat(rank_).bell.load(std::memory_order_seq_cst);
    const auto self = static_cast<std::uint32_t>(members_[static_cast<std::size_t>(rank_)]);
    for (int member = 0; member < size(); ++member) {
        Seat& other = seat(member);
        if (member == rank_ ||
            other.request.load(std::memory_order_acquire) != RequestState::asked ||  // (B)
            other.request_owner != self) {
            continue;
        }
        // What a peer asks for is checked: it gets what we offered in this operation.
        const std::uint64_t address = other.request_address;
        const std::uint64_t bytes = other.request_bytes;
        const auto staging =
            machine_.store.staging(lease_.channel, members_[static_cast<std::size_t>(member)]);
        const bool offered = bytes <= staging.size() && within(source_, address, bytes);
        if (offered) {
            std::memcpy(staging.data(), reinterpret_cast<const void*>(address), bytes);
        }
        other.request.store(offered ? RequestState::served : RequestState::refused,
                            std::memory_order_release);  // (B)
        ring(other);
    }
}

}  // namespace onecopy::mpi
