// The boards of collective calls (src/collectives/board.hpp, group.hpp and group.cpp): slots that
// are used again, members that sleep, boards that come; two slots for calls and two for frames.
#include <algorithm>

#include "model/expect.hpp"
#include "model/members.hpp"

namespace onecopy::model {
namespace {

using Orders = std::set<std::string>;
using Calls = std::vector<What>;

/// These calls, one after the other, each as FlatCall makes it.
Program calls(const Calls& list, const HowAll& how, bool come = false) {
    return play({.how = how, .opens = !come}, [=](Member& own) {
        if (come) own.open();
        Group& group = own.group();
        for (const What each : list) {
            const std::uint64_t call = group.begin();
            if (own.sleeps()) group.begin_to_wait();
            check(post(own, each, call) == Look::ready, "nothing fails");
            check(find_all(own, each, call) == Look::ready, "nothing fails");
            use_what_was_found(own, each, call);
            group.finish(call);
            if (own.sleeps()) group.end_to_wait();
        }
    });
}

/// Two calls at work at once, the later one over first: as non-blocking ones may be. Another call
/// follows, which uses the first one's slot again.
Program calls_out_of_order(const HowAll& how) {
    return play({.how = how}, [](Member& own) {
        Group& group = own.group();
        const std::uint64_t first = group.begin(), second = group.begin();
        if (own.sleeps()) group.begin_to_wait();
        for (const std::uint64_t call : {first, second}) post(own, from_0, call);
        for (const std::uint64_t call : {second, first}) {
            find_all(own, from_0, call);
            use_what_was_found(own, from_0, call);
            group.finish(call);
        }
        if (own.sleeps()) group.end_to_wait();
        const std::uint64_t third = group.begin();
        if (own.rank() == 0) check(post(own, from_0, third) == Look::ready, "nothing fails");
        group.finish(third);
    });
}

/// Frames through which rank 0 shows something, and the others too if that is said, as many of them
/// at a time as there are slots: as LargeCall::begin_run and go_on.
Program frames(std::uint64_t count, const HowAll& how, bool all_show = false) {
    return play({.how = how}, [=](Member& own) {
        Group& group = own.group();
        const int rank = own.rank();
        for (int other = 0; other < own.size(); ++other) group.has_come(other);
        check(group.has_frame_memory(), "there is memory");
        if (own.sleeps()) group.begin_to_wait();
        const auto show = [&](std::uint64_t frame) {
            if (rank != 0 && !all_show) return;
            own.until([&] { return group.frame_is_free(frame); });
            write_word(group.frame_bytes(rank, frame), shown_by(rank, frame));
            group.complete(frame, 0);
        };
        const std::uint64_t first = group.take_frames(count), end = first + count;
        std::uint64_t begun = first;
        for (std::uint64_t frame = first; frame < end; ++frame) {
            for (; begun < std::min(end, frame + collectives::frame_slots); ++begun) show(begun);
            for (int other = 0; other < own.size(); ++other) {
                if (other == rank || (other != 0 && !all_show)) continue;
                own.until([&] { return group.has_completed(other, frame, 0); });
                check(read_word(group.frame_bytes(other, frame)) == shown_by(other, frame),
                      "a frame holds what was put there for it");
            }
            group.complete(frame, collectives::done_phase);
        }
        if (own.sleeps()) group.end_to_wait();
    });
}

/// Rank 0 waits for two at once: with two calls at work, or two frames of one.
Program two_calls() {
    return play({.how = {at_once, awake, awake}}, [](Member& own) {
        Group& group = own.group();
        const std::array<std::uint64_t, 2> call{group.begin(), group.begin()};
        if (own.rank() != 0) {
            return group.post(call[static_cast<std::size_t>(own.rank() - 1)], 0);
        }
        group.begin_to_wait();
        std::array<bool, 2> found{};
        own.until([&] {
            const Slot* slot = nullptr;
            for (std::size_t i = 0; i < 2; ++i) {
                const int member = static_cast<int>(i) + 1;
                found[i] = found[i] || group.find(member, call[i], 0, slot) == Look::ready;
            }
            return found[0] && found[1] ? Look::ready : Look::not_yet;
        });
        group.end_to_wait();
    });
}
Program two_frames() {
    return play({.how = {at_once, awake, awake}}, [](Member& own) {
        Group& group = own.group();
        for (int other = 0; other < own.size(); ++other) group.has_come(other);
        const std::uint64_t first = group.take_frames(2);
        if (own.rank() != 0) {
            return group.complete(first + static_cast<std::uint64_t>(own.rank() - 1), 0);
        }
        group.begin_to_wait();
        std::array<bool, 2> found{};
        own.until([&] {
            for (std::size_t i = 0; i < 2; ++i) {
                const int member = static_cast<int>(i) + 1;
                found[i] = found[i] || group.has_completed(member, first + i, 0) == Look::ready;
            }
            return found[0] && found[1] ? Look::ready : Look::not_yet;
        });
        group.end_to_wait();
    });
}

/// Rank 0 waits for the other's board, which comes, or for which there is no memory.
Program first_call(Waits how, bool memory) {
    const Play shape{.how = {how, awake}, .opens = false, .without_memory = memory ? -1 : 1};
    return play(shape, [=](Member& own) {
        own.open();
        if (own.rank() == 1) return;
        Group& group = own.group();
        if (!group.broken()) {  // the other has found no memory for the table either
            if (own.sleeps()) group.begin_to_wait();
            const Look look = own.until([&] { return group.has_come(1); });
            check(memory == (look == Look::ready), "it hears whether there is a board");
            if (own.sleeps()) group.end_to_wait();
        }
        check(group.broken() ==
                  (memory ? std::error_code() : std::make_error_code(std::errc::not_enough_memory)),
              "it is known why");
    });
}

const Program three_from_0 = calls({from_0, from_0, from_0}, {awake, awake});
const Program five_from_0 = calls(Calls(5, from_0), {awake, awake});
const Program one_sleeps = calls({from_0}, {awake, at_once});
const Program sleeps_for_a_slot = calls({from_0, from_0, from_0}, {at_once, awake});
const Program both_sleep = calls({all_to_all}, {at_once, at_once});
const Program board_comes = calls({all_to_all}, {awake, awake}, true);
const Program four_frames = frames(4, {awake, awake});
const Program sleeps_for_bytes = frames(1, {awake, at_once});
const Program sleeps_for_a_board = first_call(at_once, true);
const Program board_has_no_memory = first_call(at_once, false);
const Program sleeps_for_a_frame = frames(3, {at_once, awake});

TEST(BoardModel, WhatWasShownForACallIsSeenThoughSlotsAreUsedAgain) {
    holds("board, 3 calls, from one to another", three_from_0);
    holds("board, 5 calls, from one to another", five_from_0);
    holds("board, 3 calls, from each to each",
          calls({all_to_all, all_to_all, all_to_all}, {awake, awake}));
    holds("board, 5 calls by turns",
          calls({from_0, to_0, from_0, to_0, all_to_all}, {awake, awake}));
    holds("board, 3 calls, from one to 2", calls({from_0, from_0, from_0}, {awake, awake, awake}));
    holds("board, 3 calls, from 2 to one", calls({to_0, to_0, to_0}, {awake, awake, awake}));
}
TEST(BoardModel, ALaterCallMayBeOverFirst) {
    holds("board, 3 calls, the second over first", calls_out_of_order({awake, awake}));
    holds("board, 3 calls, the second over first, one sleeps",
          calls_out_of_order({awake, at_once}));
}
TEST(BoardModel, WhoSleepsIsWoken) {
    holds("board, 1 call, one sleeps", calls({from_0}, {awake, asleep}));
    holds("board, 3 calls, one sleeps for a slot", sleeps_for_a_slot);
    holds("board, 1 call, both sleep", calls({all_to_all}, {asleep, asleep}));
    holds("board, 1 call, both sleep at once", both_sleep);
    holds("board, 1 call, from one to 2, who sleep", calls({from_0}, {awake, at_once, at_once}));
}
TEST(BoardModel, AMemberMayWaitForTwoAtOnce) {
    holds("board, 2 calls of 2 others", two_calls());
    holds("frames, 2 of 2 others", two_frames());
}
TEST(BoardModel, BoardsMayComeAtAnyTime) {
    holds("board, 1 call, boards come", board_comes);
    holds("board, 1 call, boards come, one sleeps", calls({from_0}, {awake, at_once}, true));
    holds("board, one waits for a board", sleeps_for_a_board);
    holds("board, one waits for a board that has no memory", board_has_no_memory);
}
TEST(BoardModel, FramesAreUsedAgain) {
    holds("frames, 4 from one", four_frames);
    holds("frames, 3 from each", frames(3, {awake, awake}, true));
#ifdef NDEBUG  // else it takes many minutes
    holds("frames, 3 from one to 2", frames(3, {awake, awake, awake}));
#endif
    holds("frames, 1, one sleeps for its bytes", frames(1, {awake, asleep}));
    holds("frames, 3, one sleeps for room", sleeps_for_a_frame);
}

TEST(BoardModel, EveryOrderIsNeededButThese) {
    const std::vector<Program> programs{three_from_0,      board_comes,         four_frames,
                                        one_sleeps,        both_sleep,          sleeps_for_bytes,
                                        sleeps_for_a_slot, board_has_no_memory, sleeps_for_a_board,
                                        sleeps_for_a_frame};
    EXPECT_EQ(orders_not_needed("collectives/group.hpp", programs), Orders{});
    // A table and a board are zero when they are taken, and nothing but atomic objects is looked at
    // before what they announce: where they are needs no order (table_of, seek_board), nor has a
    // board's first `finished` anything before it (make_board). What still_there() looks at says
    // only that there is an error, and Bell::lie_down has a fence. `fail`: see trouble_model_test.
    EXPECT_EQ(
        orders_not_needed("collectives/group.cpp", programs),
        (Orders{"fail: store relaxed", "seek_board: load relaxed", "still_there: load relaxed",
                      "still_there: load trouble relaxed"}));
}

TEST(BoardModel, WhatIsWrongIsFound) {
    using Kind = Mutation::Kind;
    constexpr auto release = std::memory_order_release, acquire = std::memory_order_acquire;
    is_found("a slot posted before it is written", three_from_0, {.function = "post"}, "data race");
    is_found("a slot looked at without acquire", three_from_0, {.function = "find"}, "data race");
    is_found("a slot looked at again without acquire", three_from_0,
             {.function = "look_again", .location = "0's call"}, "data race");
    is_found("a call finished before its bytes are read", three_from_0, {.function = "finish"},
             "data race");
    is_found("a slot written again without acquire", three_from_0,
             {.function = "operator()", .location = "1's finished"}, "data race");
    is_found("a call that is not finished", three_from_0,
             {.kind = Kind::skip, .function = "finish", .location = "1's finished"}, "deadlock");
    is_found("a call finished before it is begun", five_from_0,
             {.kind = Kind::value, .function = "finish", .change = [](std::uint64_t below) {
                  return below + 1;
              }});
    is_found("bytes of a frame announced before they are written", four_frames,
             {.function = "complete", .location = "0's word"}, "data race");
    is_found("a frame that is done before it is read", four_frames,
             {.function = "complete", .location = "1's word"}, "data race");
    is_found("a frame looked at without acquire", four_frames, {.function = "has_completed"},
             "data race");
    is_found("a frame that is done as soon as it is begun", frames(3, {awake, awake}, true),
             {.kind = Kind::value, .function = "complete", .change = [](std::uint64_t word) {
                  return word >> 16 << 16 | 0x8000;
              }});
    const auto lost = [](const std::string& what, const Program& program,
                         const Mutation& mutation) {
        is_found(what, program, mutation, "deadlock");
    };
    lost("a sleeper that does not say whom it awaits", one_sleeps,
         {.kind = Kind::skip, .function = "await"});
    lost("a sleeper that says it too late", one_sleeps, {.function = "await", .order = release});
    lost("a last look at a slot too early", one_sleeps,
         {.function = "look_again", .location = "0's call", .order = acquire});
    lost("a look at who awaits too early", one_sleeps,
         {.function = "announce_to", .order = acquire});
    lost("a slot posted too late", one_sleeps, {.function = "post", .order = release});
    lost("a call finished too late", sleeps_for_a_slot, {.function = "finish", .order = release});
    lost("a last look for a slot too early", sleeps_for_a_slot,
         {.function = "operator()", .location = "1's finished", .order = acquire});
    lost("bytes announced too late", sleeps_for_bytes, {.function = "complete", .order = release});
    lost("a frame done too late", sleeps_for_a_frame, {.function = "complete", .order = release});
    lost("a last look at a frame too early", sleeps_for_bytes,
         {.function = "has_completed", .order = acquire});
    lost("a board that comes too late", sleeps_for_a_board,
         {.function = "make_board", .order = release});
}

}  // namespace
}  // namespace onecopy::model
