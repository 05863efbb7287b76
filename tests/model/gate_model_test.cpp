// Who may hold locks of a window together (src/windows/gate.hpp).
#include "model/expect.hpp"
#include "model/window.hpp"
#include "windows/gate.hpp"

namespace onecopy::model {
namespace {

using windows::Gate;
using windows::GateState;
using windows::GateUse;
using windows::Kind;

Gate& make_gate(Execution& run) {
    auto& gate = run.make<Gate>();
    run.name(gate.word, "word");
    return gate;
}

struct Comer {
    std::vector<Kind> kinds;  ///< one after the other
    Waits waits = awake;
};
using Comers = std::vector<Comer>;

/// Who locks all writes what is its own; who locks exclusively reads all of that.
Program gate(const Comers& comers) {
    return [=](Execution& run) {
        const int count = static_cast<int>(comers.size());
        Window& window = make_window(run, count);
        Gate& gate = make_gate(run);
        auto& cells = run.make<std::array<Plain<std::uint32_t>, most_ranks>>();
        for (int rank = 0; rank < count; ++rank) {
            const Comer& own = comers[static_cast<std::size_t>(rank)];
            run.thread(std::to_string(rank), [=, &window, &gate, &cells, &own] {
                Waiting waiting(window, rank, own.waits);
                const GateUse<Waiting> use(waiting, gate);
                for (const Kind kind : own.kinds) {
                    check(!use.enter(kind, false), "it may enter");
                    if (kind == Kind::all) {
                        cells[static_cast<std::size_t>(rank)] = 1;
                    } else {
                        for (const Plain<std::uint32_t>& cell : cells) check(cell <= 1, "");
                    }
                    use.leave(kind);
                }
            });
        }
        run.finally([&gate] {
            const GateState end(gate.word.load(std::memory_order_relaxed));
            for (const Kind kind : {Kind::all, Kind::exclusive}) {
                check(end.inside(kind) == 0 && end.waiting(kind) == 0, "all have gone");
            }
        });
    };
}

/// One that locks all again and again while another waits.
Program turns(Kind again, int times) {
    return [=](Execution& run) {
        Window& window = make_window(run, 2);
        Gate& gate = make_gate(run);
        const Kind once = GateState::other_than(again);
        run.thread("again and again", [=, &window, &gate] {
            Waiting waiting(window, 0, awake);
            const GateUse<Waiting> use(waiting, gate);
            const auto other_waits = [&] {
                return GateState(gate.word.load(std::memory_order_relaxed)).waiting(once) > 0;
            };
            int overtaken = 0;
            for (int i = 0; i < times; ++i) {
                const bool waited = other_waits();
                check(!use.enter(again, false), "it may enter");
                if (waited && other_waits()) ++overtaken;
                use.leave(again);
            }
            check(overtaken <= 1, "nobody that waits is overtaken again and again");
        });
        run.thread("once", [=, &window, &gate] {
            Waiting waiting(window, 1, awake);
            const GateUse<Waiting> use(waiting, gate);
            check(!use.enter(once, false), "it may enter");
            use.leave(once);
        });
    };
}

/// One of three ranks takes a target's lock, and gives it back.
void take_alone(Waiting& waiting, Target& target) {
    const LockUse<Waiting> lock = use(waiting, target, 3);
    std::uint32_t ticket = 0;
    check(!lock.lock_exclusive(ticket), "");
    lock.unlock_exclusive(ticket);
}

/// As State::lock. Rank 0 shares the lock of one target and takes another's alone; rank 1 takes the
/// first one's alone; rank 2 locks all. Nobody waits for himself, over others.
Program holder_comes_first(bool first) {
    return [=](Execution& run) {
        Window& window = make_window(run, 3);
        Gate& gate = make_gate(run);
        std::array<Target*, 2> targets{&make_target(run), &make_target(run)};
        run.thread("holder", [=, &window, &gate] {
            Waiting waiting(window, 0, awake);
            check(!use(waiting, *targets[0], 3).lock_shared(), "");
            const GateUse<Waiting> passes(waiting, gate);
            check(!passes.enter(Kind::exclusive, first), "");
            take_alone(waiting, *targets[1]);
            passes.leave(Kind::exclusive);
            use(waiting, *targets[0], 3).unlock_shared();
        });
        run.thread("exclusive", [=, &window, &gate] {
            Waiting waiting(window, 1, awake);
            const GateUse<Waiting> passes(waiting, gate);
            check(!passes.enter(Kind::exclusive, false), "");
            take_alone(waiting, *targets[0]);
            passes.leave(Kind::exclusive);
        });
        run.thread("all", [=, &window, &gate] {
            Waiting waiting(window, 2, awake);
            const GateUse<Waiting> passes(waiting, gate);
            check(!passes.enter(Kind::all, false), "");
            passes.leave(Kind::all);
        });
    };
}

constexpr Kind all = Kind::all, one = Kind::exclusive;

const Program gate_once = gate({{{all}}, {{one}}});
const Program gate_sleeps = gate({{{all}, asleep}, {{one}, asleep}});

TEST(GateModel, ThoseWhoLockAllAndThoseWhoLockOneAreNeverInsideTogether) {
    holds("gate, 2 each of both kinds", gate({{{all, all}}, {{one, one}}}));
    holds("gate, all, one, one", gate({{{all}}, {{one}}, {{one}}}));
    holds("gate, all, all, one", gate({{{all}}, {{all}}, {{one}}}));
}
TEST(GateModel, NobodyWhoWaitsIsPassedAgainAndAgain) {
    holds("gate, one waits, all 3 times", turns(all, 3));
    holds("gate, all waits, one 3 times", turns(one, 3));
}
TEST(GateModel, WhoeverSleepsAtItIsWoken) {
    holds("gate, both sleep", gate_sleeps);
    holds("gate, one, one, all sleeps", gate({{{all}, at_once}, {{one}}, {{one}}}));
}
TEST(GateModel, WhoHoldsALockMayComeBeforeThoseWhoWaitForIt) {
    holds("gate, a holder comes first", holder_comes_first(true));
    const Result result = explore(holder_comes_first(false));
    EXPECT_NE(result.why.find("deadlock"), std::string::npos) << result.why;
}

using Orders = std::set<std::string>;

TEST(GateModel, EveryOrderIsNeededButThis) {
    // What is loaded counts only if the exchange finds it there.
    EXPECT_EQ(orders_not_needed("windows/gate.hpp", {gate_once, gate_sleeps}),
              Orders{"change: load word relaxed"});
}

TEST(GateModel, WhatIsWrongIsFound) {
    using How = Mutation::Kind;
    is_found("a gate left before the work is done", gate_once,
             {.function = "change", .op = "update", .order = std::memory_order_acquire},
             "data race");
    is_found("a gate entered without acquire", gate_once,
             {.function = "change", .op = "update", .order = std::memory_order_release},
             "data race");
    is_found("a gate that is changed by a load and a store", gate_once,
             {.kind = How::split, .function = "change", .op = "update"});
    is_found("a gate left too late to wake anybody", gate_sleeps,
             {.function = "change", .op = "update", .order = std::memory_order_acq_rel},
             "deadlock");
}

}  // namespace
}  // namespace onecopy::model
