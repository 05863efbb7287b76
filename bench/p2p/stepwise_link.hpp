// A link over something that takes and gives as much as fits and never waits by itself: a socket or
// a pipe that does not block, a bounded queue.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "cli/bench_timing.hpp"
#include "link.hpp"

namespace onecopy::p2p {

using cli::relax;

/// Adds what is under way at once to a `Base` that has one peer's next bytes pushed and pulled.
template <class Base>
class StepwiseLink : public Base {
public:
    void send(int peer, int slot, std::size_t bytes) override {
        start_send(peer, slot, bytes);
        wait_all();
    }
    const std::byte* recv(int peer, int slot, std::size_t bytes) override {
        start_recv(peer, slot, bytes);
        wait_all();
        return this->arrived(slot, bytes);
    }
    void start_send(int peer, int slot, std::size_t bytes) override {
        start(lane(peer, true), slot, bytes);
    }
    void start_recv(int peer, int slot, std::size_t bytes) override {
        start(lane(peer, false), slot, bytes);
    }
    void wait_all() override {
        for (;;) {
            bool moved = false;
            bool waits = false;
            for (Lane& lane : lanes_) {
                while (!lane.idle()) {
                    Operation& one = lane.operations[lane.next];
                    const std::size_t step = one.sends ? push(one) : pull(one);
                    moved = moved || step > 0;
                    one.done += step;
                    if (one.done < one.bytes) {
                        waits = true;
                        break;
                    }
                    ++lane.next;
                }
            }
            if (!waits) break;
            if (!moved) wait_for_more();
        }
        for (Lane& lane : lanes_) {
            lane.operations.clear();
            lane.next = 0;
        }
    }

protected:
    struct Operation {
        bool sends;
        int peer;
        int slot;
        std::size_t bytes;
        std::size_t done;
    };

    /// The messages to, or from, one peer: they go one after the other.
    struct Lane {
        int peer;
        bool sends;
        std::vector<Operation> operations;
        std::size_t next = 0;

        [[nodiscard]] bool idle() const noexcept { return next == operations.size(); }
    };

    template <class... Arguments>
    explicit StepwiseLink(Arguments&&... arguments) : Base(std::forward<Arguments>(arguments)...) {}

    /// Moves what can be moved now of the bytes behind `done`; returns how many.
    virtual std::size_t push(const Operation& operation) = 0;
    virtual std::size_t pull(const Operation& operation) = 0;

    /// Nothing moved.
    virtual void wait_for_more() = 0;

    [[nodiscard]] const std::vector<Lane>& lanes() const noexcept { return lanes_; }

private:
    Lane& lane(int peer, bool sends) {
        for (Lane& one : lanes_) {
            if (one.peer == peer && one.sends == sends) return one;
        }
        return lanes_.emplace_back(Lane{peer, sends, {}, 0});
    }

    static void start(Lane& lane, int slot, std::size_t bytes) {
        lane.operations.push_back({lane.sends, lane.peer, slot, bytes, 0});
    }

    std::vector<Lane> lanes_;
};

}  // namespace onecopy::p2p
