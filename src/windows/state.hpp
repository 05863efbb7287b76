// A window of this rank: its targets, what it holds, and how it waits.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <system_error>
#include <unordered_map>
#include <vector>

#include "node/endpoint.hpp"
#include "onecopy/arena.hpp"
#include "onecopy/communicator.hpp"
#include "onecopy/window.hpp"
#include "windows/control.hpp"
#include "windows/fair_lock.hpp"
#include "windows/gate.hpp"
#include "windows/target.hpp"

namespace onecopy::windows {

/// What all windows of a communicator use: messages of their own. Made with the first of them and
/// kept, since the numbers of communicators are used once.
struct Group {
    Communicator messages;
    int windows = 0;  ///< made so far; the same at all ranks
};

/// What a rank keeps for all its windows (Endpoint::for_windows).
struct Keep {
    explicit Keep(node::JobMemory& memory) noexcept : controls(memory) {}
    Controls controls;
    std::unordered_map<std::uint32_t, Group> groups;  // by the number of the communicator's context
};

struct Change;  // accumulate.cpp

class State {
public:
    /// Collective. `memory`: what others shall reach; or `arena`, from which it is taken.
    State(Communicator& communicator, Segment memory, Arena* arena, std::size_t bytes);
    /// Collective: waits until nobody who lives uses it any more. Not for a forked child: leave it.
    ~State();
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    [[nodiscard]] bool is_this_process() const noexcept { return endpoint_.is_this_process(); }
    [[nodiscard]] int rank() const noexcept { return rank_; }
    [[nodiscard]] int size() const noexcept { return static_cast<int>(targets_.size()); }
    [[nodiscard]] Segment own() const noexcept { return own_; }
    [[nodiscard]] std::size_t bytes_of(int rank) const noexcept {
        return has(rank) ? static_cast<std::size_t>(target(rank).part.bytes) : 0;
    }
    Segment query(int rank, std::error_code& error) noexcept;

    // transfer.cpp
    std::error_code put(ConstSegment from, int target, std::size_t offset) noexcept;
    std::error_code get(Segment into, int target, std::size_t offset) noexcept;
    template <class Piece>
    std::error_code move(std::span<const Piece> pieces, int target,
                         std::span<const WindowRun> runs) noexcept;

    // accumulate.cpp
    /// `before`: what was there, of as many bytes as `from`; or none. With Op::no_op, `from` may be
    /// missing.
    std::error_code accumulate(const std::byte* from, std::byte* before, std::size_t bytes,
                               int target, std::size_t offset, const Reduction& how) noexcept;
    std::error_code compare_and_swap(const std::byte* expected, const std::byte* desired,
                                     std::byte* before, std::size_t bytes, int target,
                                     std::size_t offset) noexcept;

    // epochs.cpp
    std::error_code fence() noexcept;
    std::error_code lock(LockType type, int target) noexcept;
    std::error_code unlock(int target) noexcept;
    std::error_code lock_all() noexcept;
    std::error_code unlock_all() noexcept;
    std::error_code flush(int target) noexcept;
    std::error_code flush_all() noexcept;
    std::error_code post(std::span<const int> origins) noexcept;
    std::error_code start(std::span<const int> targets) noexcept;
    std::error_code complete() noexcept;
    std::error_code wait() noexcept;

    /// For locks and gates: see LockUse.
    class Waiting {
    public:
        explicit Waiting(State& state) noexcept : state_(state) {}
        [[nodiscard]] int rank() const noexcept { return state_.endpoint_.rank(); }
        template <class Ready>
        std::error_code wait(const Ready& ready) noexcept {
            return state_.wait_until(ready);
        }
        void ring(int rank_in_job) noexcept {
            state_.endpoint_.memory().line(rank_in_job).bell.ring_if_asleep();
        }
        void ring_all() noexcept { state_.ring_all(); }

    private:
        State& state_;
    };

private:
    [[nodiscard]] bool has(int rank) const noexcept { return rank >= 0 && rank < size(); }
    [[nodiscard]] const Target& target(int rank) const noexcept {
        return targets_[static_cast<std::size_t>(rank)];
    }
    [[nodiscard]] Target& target(int rank) noexcept {
        return targets_[static_cast<std::size_t>(rank)];
    }

    /// Whether so many bytes may be touched there.
    [[nodiscard]] std::error_code check(int rank, std::size_t offset,
                                        std::size_t bytes) const noexcept {
        if (const int trouble = trouble_.load(std::memory_order_relaxed); trouble != 0) {
            return static_cast<Errc>(trouble);
        }
        if (!has(rank)) return Errc::bad_rank;
        const std::uint64_t room = target(rank).part.bytes;
        if (offset > room || bytes > room - offset) return Errc::bad_range;
        return {};
    }
    /// The memory as it is mapped here, or null: then the process has it. Finds it if need be.
    std::byte* reach(Target& target, std::error_code& error) noexcept {
        std::byte* const memory = target.memory();
        if (memory != nullptr) [[likely]]
            return memory;
        return reach_first(target, error);
    }
    std::byte* reach_first(Target& target, std::error_code& error) noexcept;
    /// What a system call's error means.
    std::error_code after_call(const Target& target, std::error_code error) noexcept;

    /// Whether the window has lost a member. Under the endpoint's lock.
    bool is_in_trouble() noexcept;
    [[nodiscard]] std::error_code trouble() const noexcept {
        const int trouble = trouble_.load(std::memory_order_relaxed);
        return trouble == 0 ? std::error_code() : static_cast<Errc>(trouble);
    }
    /// After a look at that rank of ours (-1: at what others have found).
    std::error_code look(int rank) noexcept;
    void ring_all() noexcept;

    /// Waits until ready(), or until a member is lost.
    template <class Ready>
    std::error_code wait_until(const Ready& ready) noexcept {
        node::Endpoint::Lock lock(endpoint_);
        bool good = false;
        endpoint_.wait(lock, -1, [&] {
            // Asked again after a yes, which may have changed something.
            good = good || ready();
            return good || is_in_trouble();
        });
        return good ? std::error_code() : trouble();
    }
    /// Waits for all; each hears the largest verdict of any.
    std::error_code barrier(std::uint16_t& verdict) noexcept;

    // create.cpp
    void describe_own_part(Segment memory, Arena* arena, std::size_t bytes);
    void exchange(bool& all_know);
    void take(const std::vector<Part>& parts) noexcept;
    std::error_code check_reach(int& refused_by) noexcept;
    void agree(bool& all_know);
    void give_back_memory() noexcept;
    void give_back_control() noexcept;
    void close() noexcept;

    // epochs.cpp
    std::error_code note(std::span<const int> ranks, std::vector<int>& noted) noexcept;

    // accumulate.cpp
    std::error_code change(Target& target, std::size_t offset, const Change& change) noexcept;
    std::error_code change_locked(Target& target, std::size_t offset,
                                  const Change& change) noexcept;

    LockUse<Waiting> epoch_lock(Target& target) noexcept {
        return {waiting_, target.control->epoch, keep_.controls.epoch_places(*target.control)};
    }
    /// Calls `act` while nobody else has the lock of the target's elements.
    template <class Act>
    std::error_code with_elements(Target& target, const Act& act) noexcept {
        // A lock has a place for each rank that waits, so of our threads one at a time.
        std::unique_lock own_threads(elements_, std::defer_lock);
        if (endpoint_.has_threads()) own_threads.lock();
        const LockUse<Waiting> lock(waiting_, target.control->element,
                                    keep_.controls.element_places(*target.control));
        std::uint32_t ticket = 0;
        if (const std::error_code lost = lock.lock_exclusive(ticket)) return lost;
        const std::error_code error = act();
        lock.unlock_exclusive(ticket);
        return error ? after_call(target, error) : error;
    }
    GateUse<Waiting> gate() noexcept { return {waiting_, targets_[0].control->gate}; }

    node::Endpoint& endpoint_;
    Keep& keep_;
    const node::Context& context_;
    Group* group_ = nullptr;
    int number_ = 0;  // of the window in its group
    int rank_;
    Waiting waiting_{*this};

    Segment own_;
    Arena* arena_ = nullptr;  // that the memory was taken from
    Part part_{};
    bool has_control_ = false;
    std::vector<Target> targets_;  // by rank

    std::mutex elements_;

    std::atomic<int> trouble_{0};  // Errc
    std::uint32_t departures_seen_ = 0;
    std::uint32_t barriers_ = 0;

    // Under the endpoint's lock:
    int exclusive_held_ = 0, locks_held_ = 0;
    bool all_held_ = false;
    std::vector<int> posted_, started_;
};

}  // namespace onecopy::windows
