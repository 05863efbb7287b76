#include "cli/bench_arena.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <system_error>

namespace onecopy::cli {
namespace {

using State = ArenaMeeting::State;

/// Blocks from here on are pages of their own, not parts of a pool that two ways would share.
constexpr std::size_t least_block = 64U << 10;
constexpr std::size_t page = 4096;

/// Until the other side has come so far; `meanwhile` keeps it going. Throws Refused if it failed.
template <class Meanwhile>
void await(const ArenaMeeting::Half& other, State state, Meanwhile&& meanwhile) {
    for (;;) {
        const State seen = other.state.load(std::memory_order_acquire);  // pairs with (A)
        if (seen == State::failed) throw Refused("the other side has no arena");
        if (seen >= state) return;
        meanwhile();
        ::usleep(100);
    }
}

}  // namespace

void ArenaPair::open(Side side, pid_t peer) {
    if (!refusal_.empty()) throw Refused(refusal_);
    if (peer_) return;
    try {
        make_and_attach(side, peer);
    } catch (const std::exception& error) {
        refusal_ = error.what();
        meeting_->halves[static_cast<std::size_t>(side)].state.store(State::failed);
        throw Refused(refusal_);
    }
}

void ArenaPair::make_and_attach(Side side, pid_t peer) {
    ArenaMeeting::Half& own = meeting_->halves[static_cast<std::size_t>(side)];
    const ArenaMeeting::Half& other = meeting_->halves[1 - static_cast<std::size_t>(side)];
    const std::size_t bytes = std::max(2 * bytes_, least_block);
    const std::size_t capacity = std::bit_ceil(2 * bytes);
    arena_.emplace(ArenaOptions{.capacity_bytes = capacity});
    // One window holds it all, so that one view of the peer's block lasts.
    WindowLimits limits;
    limits.window_bytes = std::max(limits.window_bytes, capacity);
    windows_.emplace(limits);
    mine_ = {static_cast<std::byte*>(arena_->allocate(bytes, page)), 2 * bytes_};
    std::memset(mine_.data(), 0, mine_.size());
    ArenaDoor door(*arena_, meeting_->secret);
    if (door.name().size() >= own.door.size()) throw Refused("the door's name is too long");
    std::copy(door.name().begin(), door.name().end(), own.door.begin());
    own.block = reinterpret_cast<std::uintptr_t>(mine_.data());
    own.state.store(State::door_open, std::memory_order_release);  // (A)
    const auto answer = [&] { (void)door.answer(); };
    // In turn: a process that knocks cannot answer.
    await(other, State::door_open, [] {});
    if (side == Side::sender) await(other, State::attached, answer);
    attach_to(other);
    own.state.store(State::attached, std::memory_order_release);
    if (side == Side::receiver) await(other, State::attached, answer);
    peer_.emplace(peer, ProcessOptions{.watch_image = false, .held = true});
    attachment_->serve(*peer_);
}

void ArenaPair::attach_to(const ArenaMeeting::Half& half) {
    attachment_.emplace(knock(*windows_, half.door.data(), meeting_->secret));
    theirs_ = half.block;
    std::error_code error;
    view_ = attachment_->reach(theirs_, 2 * bytes_, error);
    if (error) throw std::system_error(error, "the peer's arena");
    if (view_.bytes().size() != 2 * bytes_) throw Refused("the peer's blocks lie in two windows");
}

}  // namespace onecopy::cli
