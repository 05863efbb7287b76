// When what was put and accumulated is seen: fence, locks, flush, and post/start/complete/wait.
//
// Every put is in the target's memory when it returns; what is left to do is to order it before
// what others are told next, and to look whether they are still there.
#include <cerrno>
#include <new>

#include "os/errors.hpp"
#include "os/fence.hpp"
#include "windows/state.hpp"

namespace onecopy::windows {
namespace {

std::error_code wrong_epoch() noexcept { return std::make_error_code(std::errc::invalid_argument); }

/// Messages of a window have two tags; those below are for making windows.
constexpr int first_tag = 2, tags = (1 << 30) - first_tag;
int exposed_tag(int window) noexcept { return first_tag + window % (tags / 2) * 2; }
int completed_tag(int window) noexcept { return exposed_tag(window) + 1; }

/// Goes on after an error, so that nobody waits for what is not sent; the first one counts.
template <class Act>
std::error_code with_each(std::span<const int> ranks, const Act& act) noexcept {
    std::error_code error;
    for (const int rank : ranks) {
        std::error_code one;
        act(rank, one);
        if (!error) error = one;
    }
    return error;
}

}  // namespace

std::error_code State::fence() noexcept {
    os::full_fence();
    std::uint16_t verdict = 0;
    return barrier(verdict);
}

std::error_code State::lock(LockType type, int rank) noexcept {
    if (const std::error_code error = check(rank, 0, 0)) return error;
    Target& to = target(rank);
    const bool exclusive = type == LockType::exclusive;
    bool enter = false, first = false;
    {
        const node::Endpoint::Lock lock(endpoint_);
        if (to.held != Held::no || all_held_) return wrong_epoch();
        to.held = exclusive ? Held::exclusive : Held::shared;
        first = locks_held_++ > 0;
        enter = exclusive && exclusive_held_++ == 0;
    }
    std::error_code error;
    if (enter) error = gate().enter(Kind::exclusive, first);
    if (error) return error;
    return exclusive ? epoch_lock(to).lock_exclusive(to.ticket) : epoch_lock(to).lock_shared();
}

std::error_code State::unlock(int rank) noexcept {
    if (!has(rank)) return Errc::bad_rank;
    Target& to = target(rank);
    bool leave = false, exclusive = false;
    {
        const node::Endpoint::Lock lock(endpoint_);
        if (to.held == Held::no) return wrong_epoch();
        exclusive = to.held == Held::exclusive;
        to.held = Held::no;
        --locks_held_;
        leave = exclusive && --exclusive_held_ == 0;
    }
    // In a window that has lost a member nobody gets a lock, and this one may never have been ours.
    if (trouble()) return trouble();
    if (exclusive) {
        epoch_lock(to).unlock_exclusive(to.ticket);
    } else {
        epoch_lock(to).unlock_shared();
    }
    if (leave) gate().leave(Kind::exclusive);
    return look(rank);
}

std::error_code State::lock_all() noexcept {
    if (const std::error_code error = trouble()) return error;
    {
        const node::Endpoint::Lock lock(endpoint_);
        if (all_held_ || locks_held_ > 0) return wrong_epoch();
        all_held_ = true;
    }
    return gate().enter(Kind::all, false);
}

std::error_code State::unlock_all() noexcept {
    {
        const node::Endpoint::Lock lock(endpoint_);
        if (!all_held_) return wrong_epoch();
        all_held_ = false;
    }
    if (trouble()) return trouble();
    gate().leave(Kind::all);
    return look(-1);
}

std::error_code State::flush(int rank) noexcept {
    if (const std::error_code error = check(rank, 0, 0)) return error;
    os::full_fence();
    return look(rank);
}

std::error_code State::flush_all() noexcept {
    os::full_fence();
    return look(-1);
}

/// Whom an epoch is with, which may not have begun already.
std::error_code State::note(std::span<const int> ranks, std::vector<int>& noted) noexcept {
    for (const int rank : ranks) {
        if (const std::error_code error = check(rank, 0, 0)) return error;
    }
    if (!noted.empty()) return wrong_epoch();
    try {
        noted.assign(ranks.begin(), ranks.end());
    } catch (const std::bad_alloc&) {
        return os::no_memory();
    }
    return {};
}

std::error_code State::post(std::span<const int> origins) noexcept {
    if (const std::error_code error = note(origins, posted_)) return error;
    os::full_fence();
    return with_each(posted_, [&](int rank, std::error_code& error) {
        group_->messages.send(ConstSegment(), rank, exposed_tag(number_), error);
    });
}

std::error_code State::start(std::span<const int> targets) noexcept {
    if (const std::error_code error = note(targets, started_)) return error;
    return with_each(started_, [&](int rank, std::error_code& error) {
        group_->messages.recv(Segment(), rank, exposed_tag(number_), error);
    });
}

std::error_code State::complete() noexcept {
    os::full_fence();
    const std::error_code error = with_each(started_, [&](int rank, std::error_code& one) {
        group_->messages.send(ConstSegment(), rank, completed_tag(number_), one);
    });
    started_.clear();
    return error;
}

std::error_code State::wait() noexcept {
    const std::error_code error = with_each(posted_, [&](int rank, std::error_code& one) {
        group_->messages.recv(Segment(), rank, completed_tag(number_), one);
    });
    posted_.clear();
    return error;
}

}  // namespace onecopy::windows
