// The checker itself: does it find what the memory model allows, all of it, and nothing else?
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "model/atomic.hpp"

namespace onecopy::model {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto acq_rel = std::memory_order_acq_rel;
constexpr auto seq_cst = std::memory_order_seq_cst;

struct Words {
    Atomic<unsigned> x, y, z;
};
using Seen = std::array<unsigned, 4>;
using Program = std::function<void(Execution&, Words&, Seen&)>;

/// All that the threads may see; a failure of the checker fails the test.
std::set<Seen> outcomes(const Program& program) {
    std::set<Seen> all;
    Seen seen{};
    const Result result = explore([&](Execution& run) {
        Words& words = run.make<Words>();
        run.name(words.x, "x");
        run.name(words.y, "y");
        run.name(words.z, "z");
        seen = {};
        program(run, words, seen);
        run.finally([&all, &seen] { all.insert(seen); });
    });
    EXPECT_FALSE(result.failed) << result.why << "\n" << result.trace;
    return all;
}

bool allows(const Program& program, const Seen& wanted) {
    return outcomes(program).count(wanted) != 0;
}

Program store_buffering(std::memory_order stores, std::memory_order loads, int fences = 0) {
    return [=](Execution& run, Words& words, Seen& seen) {
        run.thread("one", [=, &words, &seen] {
            words.x.store(1, stores);
            if (fences > 0) fence(seq_cst, Site::here());
            seen[0] = words.y.load(loads);
        });
        run.thread("two", [=, &words, &seen] {
            words.y.store(1, stores);
            if (fences > 1) fence(seq_cst, Site::here());
            seen[1] = words.x.load(loads);
        });
    };
}

TEST(Litmus, StoresMayBeBufferedUnlessAllIsSeqCstOrBothSidesHaveAFence) {
    const Seen neither{0, 0};
    EXPECT_EQ(outcomes(store_buffering(relaxed, relaxed)).size(), 4U);
    EXPECT_TRUE(allows(store_buffering(relaxed, relaxed), neither));
    EXPECT_TRUE(allows(store_buffering(release, acquire), neither));
    EXPECT_TRUE(allows(store_buffering(seq_cst, acquire), neither));
    EXPECT_TRUE(allows(store_buffering(release, seq_cst), neither));
    EXPECT_TRUE(allows(store_buffering(relaxed, relaxed, 1), neither));
    EXPECT_FALSE(allows(store_buffering(seq_cst, seq_cst), neither));
    EXPECT_FALSE(allows(store_buffering(relaxed, relaxed, 2), neither));
    EXPECT_EQ(outcomes(store_buffering(seq_cst, seq_cst)).size(), 3U);
}

/// As a sleeper and who has news: seq_cst here, a fence and any load there.
TEST(Litmus, AFenceOnOneSideAndSeqCstOnTheOtherAreEnough) {
    const auto program = [](std::memory_order news, bool fenced) {
        return [=](Execution& run, Words& words, Seen& seen) {
            run.thread("sleeper", [=, &words, &seen] {
                words.x.fetch_add(1, seq_cst);
                if (fenced) fence(seq_cst, Site::here());
                seen[0] = words.y.load(acquire);
            });
            run.thread("news", [=, &words, &seen] {
                words.y.store(1, news);
                seen[1] = words.x.load(seq_cst);
            });
        };
    };
    EXPECT_FALSE(allows(program(seq_cst, true), {0, 0}));
    EXPECT_TRUE(allows(program(seq_cst, false), {0, 0}));
    EXPECT_TRUE(allows(program(release, true), {0, 0}));
}

Program message_passing(std::memory_order stores, std::memory_order loads, bool fences = false) {
    return [=](Execution& run, Words& words, Seen& seen) {
        run.thread("sender", [=, &words] {
            words.x.store(1, relaxed);
            if (fences) fence(release, Site::here());
            words.y.store(1, stores);
        });
        run.thread("receiver", [=, &words, &seen] {
            seen[0] = words.y.load(loads);
            if (fences) fence(acquire, Site::here());
            seen[1] = words.x.load(relaxed);
        });
    };
}

TEST(Litmus, AMessageIsSeenWithItsFlagIfThatIsReleasedAndAcquired) {
    const Seen stale{1, 0};
    EXPECT_TRUE(allows(message_passing(relaxed, relaxed), stale));
    EXPECT_TRUE(allows(message_passing(release, relaxed), stale));
    EXPECT_TRUE(allows(message_passing(relaxed, acquire), stale));
    EXPECT_FALSE(allows(message_passing(release, acquire), stale));
    EXPECT_FALSE(allows(message_passing(seq_cst, seq_cst), stale));
    EXPECT_FALSE(allows(message_passing(relaxed, relaxed, true), stale));
    EXPECT_EQ(outcomes(message_passing(release, acquire)).size(), 3U);
}

TEST(Litmus, AReleaseGoesOnThroughUpdatesAndNotThroughStores) {
    const auto through = [](bool update) {
        return [=](Execution& run, Words& words, Seen& seen) {
            run.thread("sender", [=, &words] {
                words.x.store(1, relaxed);
                words.y.store(1, release);
                if (!update) words.y.store(2, relaxed);
            });
            run.thread("between", [=, &words] {
                if (update) words.y.fetch_add(1, relaxed);
            });
            run.thread("receiver", [&words, &seen] {
                seen[0] = words.y.load(acquire);
                seen[1] = words.x.load(relaxed);
            });
        };
    };
    EXPECT_FALSE(allows(through(true), {2, 0}));
    EXPECT_TRUE(allows(through(false), {2, 0}));
}

/// The one thing that is left out: C++ allows it with relaxed, and so do some processors.
TEST(Litmus, ALoadDoesNotReadFromAStoreThatComesAfterItWhateverTheOrder) {
    for (const auto order : {relaxed, seq_cst}) {
        const auto all = outcomes([=](Execution& run, Words& words, Seen& seen) {
            run.thread("one", [=, &words, &seen] {
                seen[0] = words.x.load(order);
                words.y.store(1, order);
            });
            run.thread("two", [=, &words, &seen] {
                seen[1] = words.y.load(order);
                words.x.store(1, order);
            });
        });
        EXPECT_EQ(all, (std::set<Seen>{{0, 0}, {0, 1}, {1, 0}}));
    }
}

Program two_readers(std::memory_order stores, std::memory_order loads, bool fences = false) {
    return [=](Execution& run, Words& words, Seen& seen) {
        run.thread("x", [=, &words] { words.x.store(1, stores); });
        run.thread("y", [=, &words] { words.y.store(1, stores); });
        run.thread("one", [=, &words, &seen] {
            seen[0] = words.x.load(loads);
            if (fences) fence(seq_cst, Site::here());
            seen[1] = words.y.load(loads);
        });
        run.thread("two", [=, &words, &seen] {
            seen[2] = words.y.load(loads);
            if (fences) fence(seq_cst, Site::here());
            seen[3] = words.x.load(loads);
        });
    };
}

TEST(Litmus, ReadersAgreeOnTheOrderOfIndependentWritesIfAllIsSeqCst) {
    const Seen torn{1, 0, 1, 0};
    EXPECT_EQ(outcomes(two_readers(relaxed, relaxed)).size(), 16U);
    EXPECT_TRUE(allows(two_readers(release, acquire), torn));
    EXPECT_TRUE(allows(two_readers(seq_cst, acquire), torn));
    // The loads alone are enough: each is coherence-ordered before one of the other's.
    EXPECT_FALSE(allows(two_readers(relaxed, seq_cst), torn));
    EXPECT_FALSE(allows(two_readers(seq_cst, seq_cst), torn));
    EXPECT_EQ(outcomes(two_readers(seq_cst, seq_cst)).size(), 15U);
    EXPECT_FALSE(allows(two_readers(relaxed, relaxed, true), torn));
}

TEST(Litmus, OneLocationIsReadInOneOrderByAll) {
    const auto all = outcomes([](Execution& run, Words& words, Seen& seen) {
        run.thread("writer", [&words] {
            words.x.store(1, relaxed);
            words.x.store(2, relaxed);
        });
        run.thread("reader", [&words, &seen] {
            seen[0] = words.x.load(relaxed);
            seen[1] = words.x.load(relaxed);
        });
    });
    EXPECT_EQ(all, (std::set<Seen>{{0, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 2}, {2, 2}}));
}

TEST(Litmus, TwoReadersSeeTwoWritesOfOneLocationInTheSameOrder) {
    const auto all = outcomes([](Execution& run, Words& words, Seen& seen) {
        run.thread("one", [&words] { words.x.store(1, relaxed); });
        run.thread("two", [&words] { words.x.store(2, relaxed); });
        run.thread("reader", [&words, &seen] {
            seen[0] = words.x.load(relaxed);
            seen[1] = words.x.load(relaxed);
        });
        run.thread("other", [&words, &seen] {
            seen[2] = words.x.load(relaxed);
            seen[3] = words.x.load(relaxed);
        });
    });
    EXPECT_EQ(all.count({1, 2, 1, 2}), 1U);
    EXPECT_EQ(all.count({2, 1, 2, 1}), 1U);
    EXPECT_EQ(all.count({1, 2, 2, 1}), 0U);
    EXPECT_EQ(all.count({1, 0, 0, 0}), 0U);
}

Program two_and_two_writes(std::memory_order order, bool fences = false) {
    return [=](Execution& run, Words& words, Seen& seen) {
        run.thread("one", [=, &words] {
            words.x.store(1, order);
            if (fences) fence(seq_cst, Site::here());
            words.y.store(2, order);
        });
        run.thread("two", [=, &words] {
            words.y.store(1, order);
            if (fences) fence(seq_cst, Site::here());
            words.x.store(2, order);
        });
        run.thread("last", [&words, &seen] {  // reads the last of each in some of the executions
            seen[0] = words.x.load(relaxed);
            seen[1] = words.x.load(relaxed);
            seen[2] = words.y.load(relaxed);
            seen[3] = words.y.load(relaxed);
        });
    };
}

TEST(Litmus, BothFirstWritesMayComeLastUnlessAllIsSeqCst) {
    const Seen first_last{2, 1, 2, 1};
    EXPECT_TRUE(allows(two_and_two_writes(relaxed), first_last));
    EXPECT_TRUE(allows(two_and_two_writes(release), first_last));
    EXPECT_FALSE(allows(two_and_two_writes(seq_cst), first_last));
    EXPECT_FALSE(allows(two_and_two_writes(relaxed, true), first_last));
}

TEST(Litmus, WhatOneHasAcquiredItPassesOn) {
    const auto chain = [](std::memory_order stores, std::memory_order loads) {
        return [=](Execution& run, Words& words, Seen& seen) {
            run.thread("one", [=, &words] { words.x.store(1, stores); });
            run.thread("two", [=, &words, &seen] {
                seen[0] = words.x.load(loads);
                words.y.store(1, stores);
            });
            run.thread("three", [=, &words, &seen] {
                seen[1] = words.y.load(loads);
                seen[2] = words.x.load(relaxed);
            });
        };
    };
    EXPECT_FALSE(allows(chain(release, acquire), {1, 1, 0}));
    EXPECT_TRUE(allows(chain(relaxed, acquire), {1, 1, 0}));
    EXPECT_TRUE(allows(chain(release, relaxed), {1, 1, 0}));
}

/// What C++20 allows since it follows what processors do, and C++11 did not. Source: P0668R5.
TEST(Litmus, TheOrderOfSeqCstNeedNotAgreeWithHappensBeforeWhereOrdersAreMixed) {
    const auto program = [](std::memory_order store) {
        return [=](Execution& run, Words& words, Seen& seen) {
            run.thread("one", [=, &words] {
                words.x.store(1, seq_cst);
                words.y.store(1, store);
            });
            run.thread("two", [&words, &seen] {
                seen[0] = words.y.fetch_add(1, seq_cst);
                seen[1] = words.y.load(relaxed);
            });
            run.thread("three", [&words, &seen] {
                words.y.store(3, seq_cst);
                seen[2] = words.x.load(seq_cst);
            });
        };
    };
    EXPECT_TRUE(allows(program(release), {1, 3, 0}));
    EXPECT_FALSE(allows(program(seq_cst), {1, 3, 0}));
}

TEST(Litmus, NothingComesBetweenAnUpdateAndWhatItRead) {
    std::set<unsigned> last;
    const Result result = explore([&](Execution& run) {
        Words& words = run.make<Words>();
        run.thread("one", [&words] { words.x.fetch_add(1, relaxed); });
        run.thread("two", [&words] { words.x.fetch_add(1, relaxed); });
        run.thread("three", [&words] {
            unsigned expected = 0;
            words.x.compare_exchange_strong(expected, 10, relaxed);
        });
        run.finally([&] { last.insert(words.x.load(relaxed)); });
    });
    EXPECT_FALSE(result.failed) << result.why;
    // 3 is not there: whoever comes first finds 0.
    EXPECT_EQ(last, (std::set<unsigned>{2, 12}));
}

TEST(Litmus, PlainDataIsARaceUnlessAReleaseAndAnAcquireAreBetween) {
    const auto found = [](std::memory_order store, std::memory_order load) {
        return explore([=](Execution& run) {
                   Words& words = run.make<Words>();
                   auto& data = run.make<Plain<unsigned>>();
                   run.thread("writer", [=, &words, &data] {
                       data = 7;
                       words.x.store(1, store);
                   });
                   run.thread("reader", [=, &words, &data] {
                       wait_until([&] { return words.x.load(load) == 1; });
                       check(data == 7, "it is read as it was written");
                   });
               })
            .why;
    };
    EXPECT_EQ(found(release, acquire), "");
    EXPECT_EQ(found(seq_cst, seq_cst), "");
    EXPECT_NE(found(relaxed, acquire).find("data race"), std::string::npos);
    EXPECT_NE(found(release, relaxed).find("data race"), std::string::npos);
}

TEST(Litmus, WritingWhatAnotherHasReadIsARaceToo) {
    const auto found = [](std::memory_order store) {
        return explore([=](Execution& run) {
                   Words& words = run.make<Words>();
                   auto& data = run.make<Plain<unsigned>>();
                   run.thread("reader", [=, &words, &data] {
                       check(data == 0, "it is as it was");
                       words.x.store(1, store);
                   });
                   run.thread("writer", [&words, &data] {
                       wait_until([&] { return words.x.load(acquire) == 1; });
                       data = 7;
                   });
               })
            .why;
    };
    EXPECT_EQ(found(release), "");
    EXPECT_NE(found(relaxed).find("data race"), std::string::npos);
}

TEST(Litmus, BytesWrittenOverAnAtomicObjectAreItsValueAndMayRace) {
    const auto found = [](std::memory_order store) {
        return explore([=](Execution& run) {
                   struct Both {
                       Atomic<std::uint64_t> word;
                       Atomic<unsigned> flag;
                   };
                   Both& both = run.make<Both>();
                   run.name(both.word, "word");
                   run.thread("writer", [=, &both] {
                       const std::uint64_t bytes = 77;
                       note_write(&both.word, sizeof bytes);
                       std::memcpy(static_cast<void*>(&both.word), &bytes, sizeof bytes);
                       note_written(&both.word, sizeof bytes);
                       both.flag.store(1, store);
                   });
                   run.thread("reader", [&both] {
                       wait_until([&] { return both.flag.load(acquire) == 1; });
                       check(both.word.load(relaxed) == 77, "the bytes are its value");
                   });
               })
            .why;
    };
    EXPECT_EQ(found(release), "");
    EXPECT_NE(found(relaxed).find("data race"), std::string::npos);
}

TEST(Litmus, WhoWaitsForWhatNobodyStoresIsADeadlockAndWhoWaitsForWhatComesIsNot) {
    const auto found = [](bool comes) {
        return explore([=](Execution& run) {
                   Words& words = run.make<Words>();
                   run.thread("waits",
                              [&words] { wait_until([&] { return words.x.load(relaxed) == 2; }); });
                   run.thread("stores", [=, &words] {
                       words.x.store(1, relaxed);
                       if (comes) words.x.store(2, relaxed);
                   });
               })
            .why;
    };
    EXPECT_EQ(found(true), "");
    EXPECT_NE(found(false).find("deadlock"), std::string::npos);
}

TEST(Litmus, ASleeperWhomNobodyWakesIsADeadlock) {
    const auto found = [](bool wakes, int early) {
        Options options;
        options.early_wakes = early;
        return explore(
                   [=](Execution& run) {
                       Words& words = run.make<Words>();
                       run.thread("sleeper", [&words] {
                           while (words.x.load(acquire) == 0) {
                               futex_wait(words.x.word(), 0, Site::here());
                           }
                       });
                       run.thread("waker", [=, &words] {
                           words.x.store(1, relaxed);
                           if (wakes) futex_wake(words.x.word(), Site::here());
                       });
                   },
                   options)
            .why;
    };
    EXPECT_EQ(found(true, 0), "");
    EXPECT_EQ(found(true, 1), "");
    EXPECT_NE(found(false, 0).find("deadlock"), std::string::npos);
    EXPECT_NE(found(false, 1).find("deadlock"), std::string::npos);
}

TEST(Litmus, AProgramThatDoesNotEndIsSaidToBeSo) {
    const Result result = explore([](Execution& run) {
        Words& words = run.make<Words>();
        run.thread("one", [&words] {
            for (;;) words.x.store(1, relaxed);
        });
    });
    EXPECT_NE(result.why.find("does not end"), std::string::npos);
}

TEST(Litmus, AFailureIsToldAsTheStepsThatLeadToIt) {
    const Result result = explore([](Execution& run) {
        Words& words = run.make<Words>();
        run.name(words.x, "x");
        run.thread("writer", [&words] { words.x.store(1, release); });
        run.thread("reader", [&words] { check(words.x.load(acquire) == 0, "nobody writes it"); });
    });
    ASSERT_TRUE(result.failed);
    EXPECT_EQ(result.why, "wrong: nobody writes it");
    EXPECT_NE(result.trace.find("writer      x = 1"), std::string::npos) << result.trace;
    EXPECT_NE(result.trace.find("reader      x is 1"), std::string::npos) << result.trace;
    EXPECT_NE(result.trace.find("litmus_test.cpp:"), std::string::npos) << result.trace;
}

TEST(Litmus, AMutationChangesWhatItNamesAndSaysHowOften) {
    const auto run_with = [](std::vector<Mutation> mutations) {
        Options options;
        options.mutations = std::move(mutations);
        return explore(
            [](Execution& run) {
                Words& words = run.make<Words>();
                run.name(words.x, "x");
                run.thread("one", [&words] { words.x.fetch_add(1, acq_rel); });
                run.thread("two", [&words] { words.x.fetch_add(1, acq_rel); });
                run.finally([&words] { check(words.x.load(relaxed) == 2, "both are counted"); });
            },
            options);
    };
    EXPECT_FALSE(run_with({}).failed);
    Mutation mutation;
    mutation.location = "x";
    mutation.op = "update";
    mutation.kind = Mutation::Kind::split;
    EXPECT_TRUE(run_with({mutation}).failed);
    EXPECT_GT(run_with({mutation}).mutated, 0U);
    mutation.kind = Mutation::Kind::skip;
    EXPECT_TRUE(run_with({mutation}).failed);
    mutation.location = "y";
    EXPECT_FALSE(run_with({mutation}).failed);
    EXPECT_EQ(run_with({mutation}).mutated, 0U);
}

}  // namespace
}  // namespace onecopy::model
