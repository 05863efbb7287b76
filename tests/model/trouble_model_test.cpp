// What becomes of a collective call in which a member fails, dies or leaves (src/collectives/
// group.hpp and group.cpp): everybody hears of it, and nobody uses memory that is not his any more.
#include "model/expect.hpp"
#include "model/members.hpp"

namespace onecopy::model {
namespace {

using node::Stage;

/// Calls with the members' own memory, which is theirs again afterwards: as LargeCall.
struct Shape {
    What what = all_to_all;
    HowAll how;
    int fails = -1;  ///< who may fail, anywhere
};

class MappedCall {
public:
    MappedCall(Member& own, const Shape& shape) : own_(own), group_(own.group()), shape_(shape) {}

    void run() {
        write_word(memory_of(own_.rank()), shown_by(own_.rank(), 1));
        call_ = group_.begin();
        if (own_.sleeps()) group_.begin_to_wait();
        if (carry_out() == Look::failed) {
            check(shape_.fails >= 0 && group_.failure() == Errc::mismatch, "it is known why");
            own_.until([&] { return group_.nobody_is_in(call_) ? Look::ready : Look::not_yet; });
        }
        write_word(memory_of(own_.rank()), 7);
        group_.finish(call_);
        if (own_.sleeps()) group_.end_to_wait();
    }

private:
    /// Stands for the member's own; it is nobody's slot.
    [[nodiscard]] std::byte* memory_of(int rank) const {
        return own_.job().own_memory.data() + static_cast<std::size_t>(rank) * word_bytes;
    }
    bool fails_here() {
        if (own_.rank() != shape_.fails || choose(2) == 0) return false;
        group_.fail(Errc::mismatch);
        return true;
    }
    Look carry_out() {
        if (fails_here() || post(own_, all_to_all, call_) == Look::failed) return Look::failed;
        if (fails_here() || find_all(own_, all_to_all, call_) == Look::failed) return Look::failed;
        if (group_.somebody_has_failed() || fails_here()) return Look::failed;
        const std::uint64_t frame = group_.take_frames(1);
        for (int other = 0; other < own_.size(); ++other) {
            if (!needs(shape_.what, own_.rank(), other)) continue;
            check(read_word(memory_of(other)) == shown_by(other, 1), "it sees the others' memory");
        }
        group_.complete(frame, collectives::done_phase);
        for (int i = 1; i < own_.size(); ++i) {
            const int other = (own_.rank() + i) % own_.size();
            if (!needs(shape_.what, other, own_.rank())) continue;
            const Look look = own_.until(
                [&] { return group_.has_completed(other, frame, collectives::done_phase); });
            if (look == Look::failed) return look;
        }
        return Look::ready;
    }

    static constexpr std::size_t word_bytes = 8;
    Member& own_;
    Group& group_;
    const Shape& shape_;
    std::uint64_t call_ = 0;
};
Program mapped_call(const Shape& shape) {
    return play({.how = shape.how}, [=](Member& own) { MappedCall(own, shape).run(); });
}

/// The last member fails; the others wait each for the next one alone.
Program chain(const HowAll& how) {
    return play({.how = how}, [](Member& own) {
        Group& group = own.group();
        const std::uint64_t call = group.begin();
        if (own.rank() + 1 == own.size()) return group.fail(Errc::mismatch);
        if (own.sleeps()) group.begin_to_wait();
        const Slot* slot = nullptr;
        const Look look = own.until([&] { return group.find(own.rank() + 1, call, 0, slot); });
        check(look == Look::failed && group.failure() == Errc::mismatch, "it hears of it");
        if (own.sleeps()) group.end_to_wait();
    });
}

/// The last member dies at any time; or says goodbye when it has done all that is its own.
Program departure(const std::vector<What>& list, const HowAll& how, Stage stage) {
    return play({.how = how, .departures = true}, [=](Member& own) {
        Group& group = own.group();
        const bool goes = own.rank() + 1 == own.size();
        const auto dies = [&] { return goes && stage == Stage::dead && choose(2) == 1; };
        for (const What each : list) {
            if (dies()) break;
            const std::uint64_t call = group.begin();
            if (own.sleeps()) group.begin_to_wait();
            Look look = post(own, each, call);
            if (dies()) break;
            if (look == Look::ready) look = find_all(own, each, call);
            if (look == Look::failed) {
                check(!goes && stage == Stage::dead, "nobody fails without a reason");
                check(group.failure() == Errc::peer_died, "it is known why");
                return;
            }
            use_what_was_found(own, each, call);
            group.finish(call);
            if (own.sleeps()) group.end_to_wait();
        }
        if (goes) own.depart(stage);
    });
}

const Program one_fails = mapped_call({.how = {awake, awake}, .fails = 1});
const Program source_fails = mapped_call({.what = from_0, .how = {awake, awake}, .fails = 0});

const Program fails_and_sleeps = mapped_call({.how = {asleep, awake}, .fails = 1});
const Program failure_wakes = chain({at_once, awake});
const Program leaves_and_sleeps = departure({to_0}, {asleep, awake}, Stage::left);
const Program dies_and_sleeps = departure({all_to_all}, {asleep, awake}, Stage::dead);

TEST(TroubleModel, CallersMemoryIsTheirsWhenACallIsOver) {
    holds("mapped call, 2 ranks", mapped_call({.how = {awake, awake}}));
    holds("mapped call, 3 ranks, from one",
          mapped_call({.what = from_0, .how = {awake, awake, awake}}));
    holds("mapped call, 2 ranks, one sleeps",
          mapped_call({.what = from_0, .how = {asleep, awake}}));
}
TEST(TroubleModel, AfterAFailureMemoryIsGivenBackWhenNobodyUsesItAnyMore) {
    holds("mapped call, one fails", one_fails);
    holds("mapped call, the source fails", source_fails);
    holds("mapped call, one fails, the other sleeps",
          mapped_call({.how = {asleep, awake}, .fails = 1}));
    holds("mapped call, one fails and sleeps", mapped_call({.how = {awake, asleep}, .fails = 1}));
    holds("mapped call, 3 ranks, the source fails",
          mapped_call({.what = from_0, .how = {awake, awake, awake}, .fails = 0}));
    holds("mapped call, 3 ranks, one fails",
          mapped_call({.what = from_0, .how = {awake, awake, awake}, .fails = 2}));
}
TEST(TroubleModel, AFailureReachesWhoWaitsForSomebodyElse) {
    holds("a failure, 2 wait", chain({awake, awake, awake}));
    holds("a failure, 1 sleeps", chain({at_once, awake}));
    holds("a failure, 2 sleep", chain({at_once, at_once, awake}));
}
TEST(TroubleModel, ADeathReachesAll) {
    holds("a death, 2 calls, 2 ranks",
          departure({all_to_all, all_to_all}, {awake, awake}, Stage::dead));
    holds("a death, 1 call, the other sleeps",
          departure({all_to_all}, {asleep, awake}, Stage::dead));
    holds("a death, 1 call, 3 ranks", departure({all_to_all}, {awake, awake, awake}, Stage::dead));
}
TEST(TroubleModel, WhoLeavesHasDoneItsPart) {
    holds("one leaves, 2 calls", departure({all_to_all, to_0}, {awake, awake}, Stage::left));
    holds("one leaves, 1 call, the other sleeps", departure({to_0}, {asleep, awake}, Stage::left));
}

TEST(TroubleModel, EveryOrderOfFailuresIsNeededButThese) {
    const std::vector<Program> programs{one_fails, source_fails, failure_wakes, leaves_and_sleeps,
                                        dies_and_sleeps};
    const auto about_failures = [](const std::string& order) {
        return order.starts_with("fail:") || order.starts_with("somebody_has_failed:") ||
               order.starts_with("nobody_is_in:") || order.starts_with("still_there:");
    };
    std::set<std::string> not_needed;
    for (const std::string& each : orders_not_needed("collectives/group.cpp", programs)) {
        if (about_failures(each)) not_needed.insert(each);
    }
    // What nobody_is_in() reads last only has to come before what is done with the memory. And
    // still_there(): see board_model_test.
    EXPECT_EQ(not_needed, (std::set<std::string>{"nobody_is_in: load finished acquire",
                                                 "nobody_is_in: load trouble acquire",
                                                 "still_there: load trouble relaxed"}));
}

TEST(TroubleModel, WhatIsWrongIsFound) {
    using Kind = Mutation::Kind;
    constexpr auto release = std::memory_order_release, acquire = std::memory_order_acquire;
    is_found("a failure that nobody is told of", failure_wakes,
             {.kind = Kind::skip, .function = "fail"}, "deadlock");
    is_found("a failure told too late to wake anybody", failure_wakes,
             {.function = "fail", .order = release}, "deadlock");
    is_found("a failure told too late to keep anybody out", one_fails,
             {.function = "fail", .order = release}, "data race");
    is_found("who has failed looked at too early", one_fails,
             {.function = "somebody_has_failed", .order = acquire}, "data race");
    is_found("who is in looked at too early", one_fails,
             {.function = "nobody_is_in", .location = "0's call", .order = acquire}, "data race");
    is_found("a call finished by another, without acquire", source_fails,
             {.function = "nobody_is_in", .location = "1's finished"}, "data race");
    is_found("a failure of another, without acquire", one_fails,
             {.function = "nobody_is_in", .location = "0's trouble"}, "data race");
}

}  // namespace
}  // namespace onecopy::model
