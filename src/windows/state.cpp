#include "windows/state.hpp"

#include <algorithm>
#include <cerrno>

namespace onecopy::windows {

using node::Stage;

bool State::is_in_trouble() noexcept {
    if (trouble_.load(std::memory_order_relaxed) != 0) return true;
    const std::uint32_t departures = endpoint_.watch().departures();
    if (departures == departures_seen_ && !context_.broken) return false;
    departures_seen_ = departures;
    for (const Target& each : targets_) {
        const Stage stage = endpoint_.watch().stage(each.member);
        if (stage == Stage::dead) {
            trouble_.store(static_cast<int>(Errc::peer_died), std::memory_order_relaxed);
            return true;
        }
        // Who has closed the window may go.
        const bool closed =
            each.control != nullptr &&
            each.control->closed.load(std::memory_order_acquire) >= each.part.closed;
        if (stage == Stage::left && !closed) {
            trouble_.store(static_cast<int>(Errc::peer_left), std::memory_order_relaxed);
        }
    }
    return trouble_.load(std::memory_order_relaxed) != 0;
}

std::error_code State::look(int rank) noexcept {
    node::Endpoint::Lock lock(endpoint_);
    if (rank >= 0) endpoint_.watch().look_at(target(rank).member);
    return is_in_trouble() ? trouble() : std::error_code();
}

void State::ring_all() noexcept {
    for (const Target& each : targets_) waiting_.ring(each.member);
}

std::byte* State::reach_first(Target& target, std::error_code& error) noexcept {
    {
        const node::Endpoint::Lock lock(endpoint_);
        error = target.reach(endpoint_);
    }
    if (error) error = after_call(target, error);
    return target.memory();
}

std::error_code State::after_call(const Target& target, std::error_code error) noexcept {
    if (error != std::errc::no_such_process) return error;
    // The process is gone: let everybody know, and say it as everywhere.
    node::Endpoint::Lock lock(endpoint_);
    endpoint_.watch().look_at(target.member);
    return is_in_trouble() ? trouble() : error;
}

Segment State::query(int rank, std::error_code& error) noexcept {
    error = check(rank, 0, 0);
    if (error) return {};
    Target& one = target(rank);
    if (one.part.bytes == 0) return {};
    std::byte* const memory = reach(one, error);
    if (error) return {};
    if (memory == nullptr) {
        error.assign(EOPNOTSUPP, std::system_category());
        return {};
    }
    return {memory, static_cast<std::size_t>(one.part.bytes)};
}

/// Each round everybody hears, directly or not, of twice as many others.
std::error_code State::barrier(std::uint16_t& verdict) noexcept {
    const std::uint32_t number = ++barriers_ & 0xffff;
    const std::size_t set = barriers_ & 1;
    std::size_t round = 0;
    for (int distance = 1; distance < size(); distance *= 2, ++round) {
        const Target& to = target((rank_ + distance) % size());
        to.control->inbox[set][round].store(number << 16 | verdict, std::memory_order_seq_cst);
        waiting_.ring(to.member);
        const std::atomic<std::uint32_t>& heard = target(rank_).control->inbox[set][round];
        std::uint32_t word = 0;
        const std::error_code error = wait_until([&] {
            word = heard.load(std::memory_order_seq_cst);
            return word >> 16 == number;
        });
        if (error) return error;
        verdict = std::max(verdict, static_cast<std::uint16_t>(word & 0xffff));
    }
    return {};
}

}  // namespace onecopy::windows
