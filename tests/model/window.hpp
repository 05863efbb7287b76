// The ranks of a window as the models have them: how they wait and wake each other, and what the
// locks of its targets stand in.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>

#include "model/checker.hpp"
#include "model/sleep.hpp"
#include "onecopy/error.hpp"
#include "windows/fair_lock.hpp"

namespace onecopy::model {

using node::Bell;
using windows::FairLock;
using windows::LockUse;
using windows::WaiterPlace;

inline constexpr int most_ranks = 3;
inline constexpr Waits awake = Waits::awake, asleep = Waits::asleep, at_once = Waits::at_once;

/// What the ranks of a window share.
struct Window {
    std::array<Bell*, most_ranks> bells{};
    int ranks = 0;
    /// Whether somebody is known to be dead.
    Atomic<std::uint32_t> deaths;
};

/// As State::Waiting, its patience at an end.
class Waiting {
public:
    Waiting(Window& window, int rank, Waits how, bool looks_for_deaths = false)
        : window_(window), rank_(rank), how_(how), looks_for_deaths_(looks_for_deaths) {}
    [[nodiscard]] int rank() const noexcept { return rank_; }
    template <class Ready>
    std::error_code wait(const Ready& ready) noexcept {
        bool good = false;
        const auto look = [&] {
            good = good || ready();
            return good || is_in_trouble();
        };
        model::wait(how_, bell(rank_), look);
        return good ? std::error_code() : Errc::peer_died;
    }
    void ring(int rank) noexcept { bell(rank).ring_if_asleep(); }
    void ring_all() noexcept {
        for (int rank = 0; rank < window_.ranks; ++rank) ring(rank);
    }
    [[nodiscard]] bool is_in_trouble() const noexcept {
        return looks_for_deaths_ && window_.deaths.load(std::memory_order_seq_cst) != 0;
    }
    /// The kernel says that this one is dead.
    void die() noexcept {
        window_.deaths.fetch_add(1, std::memory_order_seq_cst);
        ring_all();
    }

private:
    Bell& bell(int rank) const noexcept { return *window_.bells[static_cast<std::size_t>(rank)]; }

    Window& window_;
    int rank_;
    Waits how_;
    bool looks_for_deaths_;
};

inline Window& make_window(Execution& run, int ranks) {
    auto& window = run.make<Window>();
    window.ranks = ranks;
    for (int rank = 0; rank < ranks; ++rank) {
        window.bells[static_cast<std::size_t>(rank)] = &make_bell(run, std::to_string(rank) + "'s");
    }
    run.name(window.deaths, "deaths");
    return window;
}

/// A target of it: its lock, and something that the lock is for.
struct Target {
    FairLock lock;
    std::array<WaiterPlace, std::bit_ceil(std::size_t{most_ranks})> waiters;
    Plain<std::uint32_t> value;
};
inline Target& make_target(Execution& run) {
    auto& target = run.make<Target>();
    run.name(target.lock.next, "next");
    run.name(target.lock.shared_turn, "shared_turn");
    run.name(target.lock.exclusive_turn, "exclusive_turn");
    for (WaiterPlace& place : target.waiters) run.name(place, "place");
    run.name(target.value, "the value");
    return target;
}

/// As many places as there must be for so many ranks.
inline LockUse<Waiting> use(Waiting& waiting, Target& target, int ranks) {
    return {waiting, target.lock,
            std::span(target.waiters.data(), std::bit_ceil(static_cast<unsigned>(ranks)))};
}

}  // namespace onecopy::model
