// A lock between processes: shared or exclusive, first come, first served.
//
//   next            tickets given out; each comer takes one
//   shared_turn     the ticket that may have the lock shared: goes up when one has got it, or when
//                   an exclusive one is given back
//   exclusive_turn  the ticket that may have it exclusively: goes up with each one given back
//
// Who waits writes its rank to the place of its ticket, then looks once more, then sleeps; who
// makes it somebody's turn stores that, then looks who waits there. Each writes one word and reads
// the other's, with full fences between, so nobody sleeps through its turn (as in node/bell.hpp).
// There are as many places as ranks, so no two that wait have the same.
//
// A holder that dies keeps it: a death breaks the whole window, and whoever waits hears of that.
//
// Explored by tests/model/lock_model_test.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <system_error>

#include "node/atomic.hpp"

namespace onecopy::windows {

/// In shared memory; zeros at first.
struct FairLock {
    node::Atomic<std::uint32_t> next, shared_turn, exclusive_turn;
};
using WaiterPlace = node::Atomic<std::uint16_t>;

/// One of them as seen from a rank. `Waiting` has: rank(), ours in the job; wait(ready), until
/// ready() or an error; ring(rank), for who may sleep. A value.
template <class Waiting>
class LockUse {
public:
    /// `places`: a power of two of them, at least as many as there are ranks.
    LockUse(Waiting& waiting, FairLock& lock, std::span<WaiterPlace> places) noexcept
        : waiting_(waiting), lock_(lock), places_(places) {}

    /// The ticket, with which it is to be given back. After an error nobody gets the lock any more.
    std::error_code lock_exclusive(std::uint32_t& ticket) const noexcept {
        ticket = lock_.next.fetch_add(1, std::memory_order_seq_cst);
        return wait_for_turn(lock_.exclusive_turn, ticket);
    }
    void unlock_exclusive(std::uint32_t ticket) const noexcept {
        // In this order: who comes next adds to the first when it is done with the second. And it
        // is added to the second: those who share the lock from here on may have given it back.
        lock_.shared_turn.store(ticket + 1, std::memory_order_release);
        const std::uint32_t turn = lock_.exclusive_turn.fetch_add(1, std::memory_order_seq_cst) + 1;
        wake(ticket + 1);
        if (turn != ticket + 1) wake(turn);
    }

    std::error_code lock_shared() const noexcept {
        const std::uint32_t ticket = lock_.next.fetch_add(1, std::memory_order_seq_cst);
        const std::error_code error = wait_for_turn(lock_.shared_turn, ticket);
        if (error) return error;
        lock_.shared_turn.store(ticket + 1, std::memory_order_release);
        wake(ticket + 1);
        return {};
    }
    void unlock_shared() const noexcept {
        wake(lock_.exclusive_turn.fetch_add(1, std::memory_order_seq_cst) + 1);
    }

private:
    [[nodiscard]] WaiterPlace& place(std::uint32_t ticket) const noexcept {
        return places_[ticket & (places_.size() - 1)];
    }

    std::error_code wait_for_turn(const node::Atomic<std::uint32_t>& turn,
                                  std::uint32_t ticket) const noexcept {
        if (turn.load(std::memory_order_acquire) == ticket) return {};
        place(ticket).store(static_cast<std::uint16_t>(waiting_.rank() + 1),
                            std::memory_order_seq_cst);
        const std::error_code error =
            waiting_.wait([&] { return turn.load(std::memory_order_seq_cst) == ticket; });
        place(ticket).store(0, std::memory_order_relaxed);
        return error;
    }
    void wake(std::uint32_t ticket) const noexcept {
        node::full_fence();
        const std::uint16_t waiter = place(ticket).load(std::memory_order_relaxed);
        if (waiter != 0) waiting_.ring(waiter - 1);
    }

    Waiting& waiting_;
    FairLock& lock_;
    std::span<WaiterPlace> places_;
};

}  // namespace onecopy::windows
