// Who may hold locks of a window together: those who lock all of it, shared; or those who lock
// single targets exclusively. lock_all() passes here alone instead of taking a lock at each target,
// and holds nothing while it waits, so two that lock in different orders cannot block each other.
//
// Once somebody of the one kind waits, the kinds take turns, so neither starves the other.
//
// Explored by tests/model/gate_model_test.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <system_error>

#include "node/atomic.hpp"

namespace onecopy::windows {

enum class Kind : unsigned { all, exclusive };

/// In shared memory, one for a window; zero at first. Four counts of 15 bits, and whose turn it is:
/// inside and waiting, of each kind.
struct Gate {
    node::Atomic<std::uint64_t> word;
};

/// One word's contents.
class GateState {
public:
    explicit GateState(std::uint64_t word) noexcept : word_(word) {}
    [[nodiscard]] std::uint64_t word() const noexcept { return word_; }

    [[nodiscard]] std::uint64_t inside(Kind kind) const noexcept { return count(at(kind)); }
    [[nodiscard]] std::uint64_t waiting(Kind kind) const noexcept { return count(at(kind) + 1); }
    void add_inside(Kind kind, int change) noexcept { add(at(kind), change); }
    void add_waiting(Kind kind, int change) noexcept { add(at(kind) + 1, change); }

    [[nodiscard]] Kind turn() const noexcept { return static_cast<Kind>(word_ >> turn_bit); }
    void give_turn(Kind kind) noexcept {
        word_ = (word_ & ~(std::uint64_t{1} << turn_bit)) | static_cast<std::uint64_t>(kind)
                                                                << turn_bit;
    }

    /// `first`: it may come before those who wait: it holds a lock they may be waiting for.
    [[nodiscard]] bool may_enter(Kind kind, bool first) const noexcept {
        const Kind other = other_than(kind);
        return inside(other) == 0 && (first || waiting(other) == 0 || turn() == kind);
    }
    static Kind other_than(Kind kind) noexcept {
        return kind == Kind::all ? Kind::exclusive : Kind::all;
    }

private:
    static constexpr unsigned bits = 15, turn_bit = 60;
    static unsigned at(Kind kind) noexcept { return 2 * static_cast<unsigned>(kind); }
    [[nodiscard]] std::uint64_t count(unsigned place) const noexcept {
        return word_ >> place * bits & ((1U << bits) - 1);
    }
    void add(unsigned place, int change) noexcept {
        word_ += static_cast<std::uint64_t>(static_cast<std::int64_t>(change)) << place * bits;
    }

    std::uint64_t word_;
};

/// `Waiting`: as of LockUse, and ring_all().
template <class Waiting>
class GateUse {
public:
    GateUse(Waiting& waiting, Gate& gate) noexcept : waiting_(waiting), gate_(gate) {}

    std::error_code enter(Kind kind, bool first) const noexcept {
        if (try_to_enter(kind, first, false, true)) return {};
        // Counted among those who wait now.
        return waiting_.wait([&] { return try_to_enter(kind, first, true, false); });
    }
    void leave(Kind kind) const noexcept {
        GateState now(change([&](GateState& state) {
            state.add_inside(kind, -1);
            return true;
        }));
        const bool somebody = now.waiting(Kind::all) + now.waiting(Kind::exclusive) > 0;
        if (now.inside(kind) == 0 && somebody) waiting_.ring_all();
    }

private:
    /// If not: says that it waits, if `enqueue`.
    bool try_to_enter(Kind kind, bool first, bool waits, bool enqueue) const noexcept {
        bool entered = false;
        change([&](GateState& state) {
            entered = state.may_enter(kind, first);
            if (!entered) {
                if (enqueue) state.add_waiting(kind, 1);
                return enqueue;
            }
            if (waits) state.add_waiting(kind, -1);
            state.add_inside(kind, 1);
            const Kind other = GateState::other_than(kind);
            if (state.waiting(other) > 0) state.give_turn(other);
            return true;
        });
        return entered;
    }

    /// What it is afterwards. `step` says whether there is anything to be stored.
    template <class Step>
    std::uint64_t change(const Step& step) const noexcept {
        std::uint64_t seen = gate_.word.load(std::memory_order_seq_cst);
        for (;;) {
            GateState state(seen);
            if (!step(state)) return seen;
            if (gate_.word.compare_exchange_weak(seen, state.word(), std::memory_order_seq_cst)) {
                return state.word();
            }
        }
    }

    Waiting& waiting_;
    Gate& gate_;
};

}  // namespace onecopy::windows
