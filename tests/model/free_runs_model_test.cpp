// Runs of blocks that are given back and taken again (src/node/free_runs.hpp).
#include "model/expect.hpp"
#include "node/free_runs.hpp"

namespace onecopy::model {
namespace {

using node::FreeRuns;
using node::RunLink;

/// Some runs, each with who has it: plain, so that two who have the same one are a data race.
struct Runs {
    FreeRuns free;
    std::array<RunLink, 4> links;
    std::array<Plain<int>, 4> owners;

    RunLink& link(std::uint32_t run) { return links[run]; }
    std::uint32_t take(int me) {
        const std::uint32_t run =
            free.take([this](std::uint32_t at) -> RunLink& { return link(at); });
        check(run < owners.size(), "a run that there is");
        if (run != 0) owners[run] = me;
        return run;
    }
    void give(int me, std::uint32_t first, std::uint32_t last) {
        for (std::uint32_t run = first;; run = link(run).load(std::memory_order_relaxed)) {
            check(owners[run] == me, "nobody else has had it meanwhile");
            if (run == last) break;
        }
        free.give([this](std::uint32_t at) -> RunLink& { return link(at); }, first, last);
    }
};

Runs& make_runs(Execution& run) {
    Runs& runs = run.make<Runs>();
    run.name(runs.free.top, "top");
    for (RunLink& link : runs.links) run.name(link, "link");
    return runs;
}

/// Two threads that each give a run back, take one, and give that back; and so many others that
/// take one and keep it.
Program use_them(int others) {
    return [=](Execution& run) {
        Runs& runs = make_runs(run);
        for (int me = 0; me < 2; ++me) {
            run.thread("user " + std::to_string(me), [=, &runs] {
                const auto own = static_cast<std::uint32_t>(me) + 1;
                runs.owners[own] = me;
                runs.give(me, own, own);
                const std::uint32_t taken = runs.take(me);
                if (taken != 0) runs.give(me, taken, taken);
            });
        }
        for (int me = 2; me < 2 + others; ++me) {
            run.thread("other " + std::to_string(me), [=, &runs] { runs.take(me); });
        }
    };
}

/// Two threads that each give a run back, and one that gets both.
Program take_all() {
    return [](Execution& run) {
        Runs& runs = make_runs(run);
        for (int me = 1; me < 3; ++me) {
            run.thread("giver " + std::to_string(me), [=, &runs] {
                const auto own = static_cast<std::uint32_t>(me);
                runs.owners[own] = me;
                runs.give(me, own, own);
            });
        }
        run.thread("taker", [&runs] {
            wait_until([&] { return runs.take(3) != 0; });
            wait_until([&] { return runs.take(3) != 0; });
        });
    };
}

/// Thread 1 gives the first two runs, linked, at once.
void give_both(Runs& runs) {
    runs.owners[1] = 1;
    runs.owners[2] = 1;
    runs.link(1).store(2, std::memory_order_relaxed);
    runs.give(1, 1, 2);
}

/// One takes two runs and gives back the first, while another is about to take that.
Program same_on_top_again() {
    return [](Execution& run) {
        Runs& runs = make_runs(run);
        run.thread("one", [&runs] {
            give_both(runs);
            const std::uint32_t first = runs.take(1);
            const std::uint32_t second = runs.take(1);
            if (first != 0) runs.give(1, first, first);
            if (second != 0) check(runs.owners[second] == 1, "nobody else has taken it");
        });
        run.thread("other", [&runs] {
            runs.take(2);
            runs.take(2);
        });
    };
}

/// Two that are linked, given together and taken one by one.
Program linked() {
    return [](Execution& run) {
        Runs& runs = make_runs(run);
        run.thread("giver", [&runs] { give_both(runs); });
        for (int me = 2; me < 4; ++me) {
            run.thread("taker " + std::to_string(me),
                       [=, &runs] { wait_until([&] { return runs.take(me) != 0; }); });
        }
    };
}

TEST(FreeRunsModel, NobodyHasARunThatAnotherHas) {
    holds("free runs, 2 threads", use_them(0));
    holds("free runs, 3 threads", use_them(1));
    holds("free runs, the same on top again", same_on_top_again());
    holds("free runs, two at once", linked());
    holds("free runs, from two", take_all());
}

TEST(FreeRunsModel, EveryOrderIsNeeded) {
    EXPECT_EQ(orders_not_needed("node/free_runs.hpp", {linked(), use_them(0)}),
              std::set<std::string>{});
}

TEST(FreeRunsModel, WhatIsWrongIsFound) {
    using Kind = Mutation::Kind;
    is_found("no count of changes", same_on_top_again(),
             {.kind = Kind::value, .location = "top", .change = [](std::uint64_t top) {
                  return top & FreeRuns::most;
              }});
    is_found("a run given back before it was used for the last time", linked(),
             {.function = "give", .location = "top"}, "data race");
    is_found("a run used before it was taken", linked(),
             {.function = "take", .location = "top", .op = "load"}, "");
    is_found("a run that is not linked to those below", take_all(),
             {.kind = Kind::skip, .function = "give", .location = "link"}, "deadlock");
}

}  // namespace
}  // namespace onecopy::model
