// The lock of a window's target (src/windows/fair_lock.hpp).
#include "model/expect.hpp"
#include "model/window.hpp"

namespace onecopy::model {
namespace {

enum class Hold : std::uint8_t { exclusive, shared };
constexpr Hold exclusive = Hold::exclusive, shared = Hold::shared;

struct Rank {
    std::vector<Hold> locks;  ///< one after the other
    Waits waits = awake;
};
using Ranks = std::vector<Rank>;

/// Who has it alone counts; who shares it looks.
Program locks(const Ranks& ranks) {
    return [=](Execution& run) {
        const int count = static_cast<int>(ranks.size());
        Window& window = make_window(run, count);
        Target& target = make_target(run);
        std::uint32_t writes = 0;
        bool all_write = true;
        for (const Rank& each : ranks) {
            for (const Hold hold : each.locks) {
                writes += hold == exclusive ? 1 : 0;
                all_write = all_write && hold == exclusive;
            }
        }
        for (int rank = 0; rank < count; ++rank) {
            const Rank& own = ranks[static_cast<std::size_t>(rank)];
            run.thread(std::to_string(rank), [=, &window, &target, &own] {
                Waiting waiting(window, rank, own.waits);
                const LockUse<Waiting> lock = use(waiting, target, count);
                for (const Hold hold : own.locks) {
                    if (hold == exclusive) {
                        std::uint32_t ticket = 0;
                        check(!lock.lock_exclusive(ticket), "it gets the lock");
                        const std::uint32_t before = target.value;
                        check(!all_write || before == ticket, "who came first is served first");
                        target.value = before + 1;
                        lock.unlock_exclusive(ticket);
                    } else {
                        check(!lock.lock_shared(), "it gets the lock");
                        check(target.value <= writes, "it sees what was written");
                        lock.unlock_shared();
                    }
                }
            });
        }
        run.finally([=, &target] { check(target.value == writes, "no update is lost"); });
    };
}

/// Two that share it need each other inside.
Program shared_at_once() {
    return [](Execution& run) {
        Window& window = make_window(run, 2);
        Target& target = make_target(run);
        auto& inside = run.make<std::array<Atomic<std::uint32_t>, 2>>();
        for (int rank = 0; rank < 2; ++rank) {
            run.thread(std::to_string(rank), [=, &window, &target, &inside] {
                Waiting waiting(window, rank, awake);
                const LockUse<Waiting> lock = use(waiting, target, 2);
                check(!lock.lock_shared(), "it gets the lock");
                inside[static_cast<std::size_t>(rank)].store(1, std::memory_order_relaxed);
                wait_until([&] {
                    return inside[static_cast<std::size_t>(1 - rank)].load(
                               std::memory_order_relaxed) == 1;
                });
                lock.unlock_shared();
            });
        }
    };
}

/// Rank 0 may die while it has it.
Program death(Hold hold, Waits waits, int ranks) {
    return [=](Execution& run) {
        Window& window = make_window(run, ranks);
        Target& target = make_target(run);
        auto& died = run.make<Plain<bool>>();
        for (int rank = 0; rank < ranks; ++rank) {
            run.thread(std::to_string(rank), [=, &window, &target, &died] {
                Waiting waiting(window, rank, rank == 0 ? awake : waits, rank != 0);
                const LockUse<Waiting> lock = use(waiting, target, ranks);
                std::uint32_t ticket = 0;
                const std::error_code error = rank == 0 || hold == exclusive
                                                  ? lock.lock_exclusive(ticket)
                                                  : lock.lock_shared();
                if (error) return;
                check(!died, "nobody gets the lock of one that died");
                if (rank == 0) {
                    if (choose(2) == 1) {
                        died = true;
                        return waiting.die();
                    }
                    target.value = 1;
                }
                if (rank == 0 || hold == exclusive) {
                    lock.unlock_exclusive(ticket);
                } else {
                    lock.unlock_shared();
                }
            });
        }
    };
}

const Program two_each = locks({{{exclusive, shared}}, {{exclusive, shared}}});
const Program one_and_two_shared = locks({{{exclusive}}, {{shared}}, {{shared}}});
const Program both_sleep = locks({{{exclusive}, asleep}, {{exclusive}, asleep}});
const Program shared_sleeps = locks({{{exclusive}, asleep}, {{shared}, asleep}});
const Program place_again = locks({{{exclusive, exclusive}}, {{exclusive, exclusive}, at_once}});
const Program shared_place_again = locks({{{shared, exclusive}}, {{exclusive, shared}, at_once}});
const Program sleeps_for_two = locks({{{shared}}, {{shared}}, {{exclusive}, at_once}});

TEST(LockModel, WhoHasItAloneIsAloneAndSeesWhatWasWrittenBefore) {
    holds("lock, 2 exclusive each of 2",
          locks({{{exclusive, exclusive}}, {{exclusive, exclusive}}}));
    holds("lock, 1 exclusive each of 3", locks({{{exclusive}}, {{exclusive}}, {{exclusive}}}));
    holds("lock, 1 exclusive, 1 shared each of 2", two_each);
    holds("lock, exclusive, exclusive, shared", locks({{{exclusive}}, {{exclusive}}, {{shared}}}));
    holds("lock, exclusive, shared, shared", one_and_two_shared);
}
TEST(LockModel, WhoShareItAreInsideTogether) { holds("lock, 2 share it", shared_at_once()); }
TEST(LockModel, NobodySleepsThroughHisTurn) {
    holds("lock, 2 exclusive, both sleep", both_sleep);
    holds("lock, exclusive, shared, both sleep", shared_sleeps);
    holds("lock, a place used again, exclusive", place_again);
    holds("lock, a place used again, shared", shared_place_again);
    holds("lock, 3 exclusive, one sleeps",
          locks({{{exclusive}}, {{exclusive}}, {{exclusive}, at_once}}));
    holds("lock, shared, exclusive, exclusive sleeps",
          locks({{{shared}}, {{exclusive}}, {{exclusive}, at_once}}));
    holds("lock, shared, exclusive, shared sleeps",
          locks({{{shared}}, {{exclusive}}, {{shared}, at_once}}));
    holds("lock, shared, shared, exclusive sleeps", sleeps_for_two);
}
TEST(LockModel, WhoWaitsForTheDeadHearsOfIt) {
    holds("lock, the holder dies, exclusive sleeps", death(exclusive, asleep, 2));
    holds("lock, the holder dies, shared sleeps", death(shared, asleep, 2));
    holds("lock, the holder dies, 2 wait", death(exclusive, awake, 3));
}

using Orders = std::set<std::string>;

TEST(LockModel, EveryOrderIsNeededButThese) {
    // Who passes a turn on has a full fence behind it, in wake(): it is what the two updates of
    // exclusive_turn need for sleepers, and what a place that is used again is released by
    // (whoever takes a ticket acquires it by `next`). Bell::lie_down has the sleeper's. On x86 none
    // of these costs more as seq_cst, but for the place of one who goes to sleep.
    EXPECT_EQ(orders_not_needed("windows/fair_lock.hpp",
                                {two_each, one_and_two_shared, both_sleep, shared_sleeps,
                                 place_again, shared_place_again}),
              (Orders{"lock_exclusive: update next acquire", "lock_shared: update next acquire",
                      "operator(): load exclusive_turn acquire",
                      "unlock_exclusive: update exclusive_turn release",
                      "unlock_shared: update exclusive_turn release",
                      "wait_for_turn: store place relaxed"}));
}

TEST(LockModel, WhatIsWrongIsFound) {
    using How = Mutation::Kind;
    is_found("a turn passed on before the work is done", two_each,
             {.function = "unlock_exclusive", .location = "exclusive_turn"}, "data race");
    is_found("a shared turn passed on before the work is done", two_each,
             {.function = "unlock_exclusive", .location = "shared_turn"}, "data race");
    is_found("a shared turn passed on without what was seen", one_and_two_shared,
             {.function = "lock_shared", .location = "shared_turn"}, "data race");
    is_found("a shared lock given back before the work is done", two_each,
             {.function = "unlock_shared"}, "data race");
    is_found("a turn taken without acquire", two_each, {.function = "wait_for_turn", .op = "load"},
             "data race");
    is_found("a turn waited for without acquire", two_each, {.function = "operator()"},
             "data race");
    is_found("a ticket taken by a load and a store", two_each,
             {.kind = How::split, .function = "lock_exclusive"});
    is_found("a shared lock given back by a load and a store",
             locks({{{shared}}, {{shared}}, {{exclusive}}}),
             {.kind = How::split, .function = "unlock_shared"}, "deadlock");
    is_found("a lock not given back to those who share it", two_each,
             {.kind = How::skip, .function = "unlock_exclusive", .location = "shared_turn"},
             "deadlock");
    is_found("a shared lock that lets nobody in", shared_at_once(),
             {.kind = How::skip, .function = "lock_shared", .location = "shared_turn"}, "deadlock");
    const auto lost = [](const std::string& what, const Program& program,
                         const Mutation& mutation) {
        is_found(what, program, mutation, "deadlock");
    };
    lost("no fence before the look at who waits", both_sleep,
         {.kind = How::skip, .function = "wake", .op = "fence"});
    lost("a fence that only releases and acquires", both_sleep,
         {.function = "wake", .op = "fence", .order = std::memory_order_acq_rel});
    lost("one who waits and does not say so", both_sleep,
         {.kind = How::skip, .function = "wait_for_turn", .op = "store"});
    lost("a place used again by who has not seen it left", place_again,
         {.function = "lock_exclusive", .location = "next"});
    lost("a place used again by who shares, and has not seen it left", shared_place_again,
         {.function = "lock_shared", .location = "next"});
}

}  // namespace
}  // namespace onecopy::model
