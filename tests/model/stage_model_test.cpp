// A large message through slots (src/node/stage.hpp): the receiver fetches pieces by calls until
// the sender comes, who pushes, may go at any time and come again.
#include "model/bytes.hpp"
#include "model/expect.hpp"
#include "model/sleep.hpp"
#include "node/stage.hpp"

namespace onecopy::model {
namespace {

using node::Bell;
using node::Handoff;
using node::HandoffState;
using node::Help;
using node::Outcome;
using node::Pushed;
using node::Range;
using node::StageSlot;

struct Message {
    Handoff shared;
    std::array<StageSlot, node::stage_slots> slots;
    Side source, target;
};

struct Shape {
    int words = 3;
    int claimed = 2;       ///< words that the sender claims at a time
    int fetched = 1;       ///< words that the receiver fetches by a call
    int departures = 0;    ///< so often the sender may go
    bool refuses = false;  ///< the sender may find that it cannot read what it has claimed
    Help way = Help::staging;
    bool calls = true;  ///< if not, the receiver asks the sender to push
    bool sender_sleeps = false;
    bool receiver_sleeps = false;
};

Message& make_message(Execution& run) {
    auto& message = run.make<Message>();
    Handoff& shared = message.shared;
    run.name(shared.state, "state");
    run.name(shared.next, "next");
    run.name(shared.spoiled, "spoiled");
    run.name(shared.help, "help");
    run.name(shared.left_from, "left_from");
    run.name(shared.left_to, "left_to");
    run.name(shared.bytes, "bytes");
    for (StageSlot& slot : message.slots) {
        run.name(slot.full, "full");
        run.name(slot.bytes, "slot bytes");
        run.name(slot.offset, "slot offset");
    }
    return message;
}

/// A place in a message that is one run of bytes.
class Place {
public:
    [[nodiscard]] std::uint64_t at() const { return at_; }
    void seek(std::uint64_t at) { at_ = at; }

private:
    std::uint64_t at_ = 0;
};

class Sender {
public:
    Sender(Message& message, const Shape& shape, Bell& own, Bell& receivers)
        : message_(message), shape_(shape), own_(own), receivers_(receivers) {}

    void run() {
        bool helps = true;
        int departures = shape_.departures;
        while (!done_) {
            const auto look = [&] { return helps ? this->look() : is_done(); };
            if (shape_.sender_sleeps) {
                wait(own_, look);
            } else {
                wait_until(look);
            }
            if (done_ || departures == 0 || choose(2) == 0) continue;
            --departures;
            if (pushing_) go();
            // Or it never comes again before it is done, where that can be.
            helps = !shape_.calls || shape_.way == Help::needed || choose(2) == 0;
        }
        check(message_.shared.outcome == Outcome::all_right || shape_.refuses, "it is all right");
        fill(message_.source, bytes(), true);
    }

private:
    [[nodiscard]] std::uint64_t bytes() const {
        return static_cast<std::uint64_t>(shape_.words) * word_bytes;
    }
    bool is_done() {
        done_ = message_.shared.state.load(std::memory_order_acquire) == HandoffState::done;
        return done_;
    }
    void go() {
        pushing_ = false;
        if (message_.shared.way() != Help::pushing) return;
        left_end_ = std::max(end_, place_.at());
        node::leave(message_.shared, place_.at(), end_);
        end_ = place_.at();
        receivers_.ring_if_asleep();
    }
    /// As Endpoint::push.
    bool look() {
        if (is_done()) return true;
        Handoff& shared = message_.shared;
        if (shared.way() == Help::none || unreadable_) return false;
        const std::uint32_t word = shared.help.load(std::memory_order_acquire);
        bool began = false;
        if (node::way_of(word) == Help::staging) {
            if (node::is_anything_left(shared)) return false;
            pushing_ = began = true;
            node::begin_to_push(shared, word);
        }
        if (node::way_of(word) == Help::needed && left_end_ > 0) {
            place_.seek(node::take_back(shared, left_end_));
            end_ = std::exchange(left_end_, 0);
        }
        const Pushed pushed = node::fill_slots(
            shared, place_, end_, slots_used_,
            static_cast<std::uint64_t>(shape_.claimed) * word_bytes, word_bytes,
            [&](std::uint64_t number) -> StageSlot& {
                return message_.slots[number % node::stage_slots];
            },
            [&](std::uint64_t) { return !shape_.refuses || choose(2) == 0; },
            [&](StageSlot& one, std::uint64_t count) {
                const std::uint32_t value = message_.source.read(place_.at());
                note_write(one.data, word_bytes);
                std::memcpy(one.data, &value, word_bytes);
                place_.seek(place_.at() + count);
            });
        if (pushed == Pushed::refused) {
            unreadable_ = true;
            shared.spoiled.store(1, std::memory_order_seq_cst);
            receivers_.ring_if_asleep();
            if (pushing_) go();
            return true;
        }
        if (pushed == Pushed::some) receivers_.ring_if_asleep();
        return began || pushed == Pushed::some;
    }

    Message& message_;
    const Shape& shape_;
    Bell& own_;
    Bell& receivers_;
    Place place_;
    std::uint64_t end_ = 0, left_end_ = 0, slots_used_ = 0;
    bool done_ = false, pushing_ = false, unreadable_ = false;
};

class Receiver {
public:
    Receiver(Message& message, const Shape& shape, Bell& own, Bell& senders)
        : message_(message), shape_(shape), own_(own), senders_(senders) {}

    void run() {
        node::open_stage(message_.shared, bytes(), shape_.way);
        if (shape_.way == Help::needed) senders_.ring_if_asleep();
        bool failed = false;
        while (moved_ < bytes() && !failed) {
            const auto look = [&] { return step(failed); };
            if (shape_.receiver_sleeps) {
                wait(own_, look);
            } else {
                wait_until(look);
            }
        }
        check(!failed || shape_.refuses, "nothing fails");
        if (!failed) check_all(message_.target, bytes());
        for (int i = 0; i < shape_.words; ++i) {
            message_.target.write(static_cast<std::uint64_t>(i) * word_bytes, 0);
        }
        message_.shared.end(failed ? Outcome::failed : Outcome::all_right);
        senders_.ring_if_asleep();
    }

private:
    [[nodiscard]] std::uint64_t bytes() const {
        return static_cast<std::uint64_t>(shape_.words) * word_bytes;
    }
    /// As Endpoint::step_staged.
    bool step(bool& failed) {
        Handoff& shared = message_.shared;
        const bool any = node::empty_slots(
            slots_used_,
            [&](std::uint64_t number) -> StageSlot& {
                return message_.slots[number % node::stage_slots];
            },
            [&](const StageSlot& one) {
                std::uint32_t value = 0;
                check(one.bytes == word_bytes, "a slot holds what was put there");
                note_read(one.data, word_bytes);
                std::memcpy(&value, one.data, word_bytes);
                check(message_.target.read(one.offset) == 0, "each byte comes once");
                message_.target.write(one.offset, value);
                moved_ += one.bytes;
            });
        const std::uint32_t word = shared.help.load(std::memory_order_acquire);
        if (any) {
            senders_.ring_if_asleep();
        } else if (node::way_of(word) == Help::staging && !shape_.calls) {
            if (!node::ask_for_pushing(shared, word)) return false;
            senders_.ring_if_asleep();
            return true;
        } else if (node::way_of(word) == Help::staging) {
            const Range range = node::next_by_call(
                shared, word, static_cast<std::uint64_t>(shape_.fetched) * word_bytes);
            if (range.begin == range.end) return false;
            copy(message_.source, message_.target, range.begin, range.end - range.begin);
            moved_ += range.end - range.begin;
            return true;
        }
        failed = node::way_of(word) == Help::needed && !any &&
                 shared.spoiled.load(std::memory_order_acquire) != 0;
        return any || failed;
    }

    Message& message_;
    const Shape& shape_;
    Bell& own_;
    Bell& senders_;
    std::uint64_t moved_ = 0, slots_used_ = 0;
};

Program staged(const Shape& shape) {
    return [=](Execution& run) {
        Message& message = make_message(run);
        Bell& senders = make_bell(run, "sender's");
        Bell& receivers = make_bell(run, "receiver's");
        // It was offered and taken before.
        fill(message.source, static_cast<std::uint64_t>(shape.words) * word_bytes);
        message.shared.offer();
        message.shared.take();
        run.thread("sender", [=, &message, &senders, &receivers] {
            Sender(message, shape, senders, receivers).run();
        });
        run.thread("receiver", [=, &message, &senders, &receivers] {
            Receiver(message, shape, receivers, senders).run();
        });
    };
}

TEST(StageModel, EachByteGoesOnceThroughASlotOrByACall) {
    holds("stage, 3 words", staged({.words = 3}));
    holds("stage, 5 words", staged({.words = 5}));
}
TEST(StageModel, TheSenderMayGoAtAnyTimeAndComeAgain) {
    holds("stage, 3 words, the sender goes once", staged({.words = 3, .departures = 1}));
    holds("stage, 4 words, it goes once", staged({.words = 4, .departures = 1}));
    holds("stage, 3 words, it goes twice", staged({.words = 3, .departures = 2}));
}
TEST(StageModel, AReceiverThatCannotCallAsksTheSenderWhoTakesBackWhatItHadLeft) {
    holds("stage, 3 words, no calls", staged({.words = 3, .calls = false}));
    holds("stage, 3 words, no calls, the sender goes once",
          staged({.words = 3, .claimed = 3, .departures = 1, .calls = false}));
}
TEST(StageModel, TheSenderMayFindThatItCannotReadItsMemory) {
    holds("stage, 3 words, the sender cannot read", staged({.words = 3, .refuses = true}));
}
TEST(StageModel, WithoutCallsAllGoesThroughTheSlots) {
    holds("stage, 4 words, the sender is needed", staged({.words = 4, .way = Help::needed}));
    holds("stage, 3 words, it is needed and cannot read",
          staged({.words = 3, .refuses = true, .way = Help::needed}));
}
TEST(StageModel, BothMaySleepForEachOther) {
    holds("stage, 1 word, both sleep",
          staged({.words = 1, .sender_sleeps = true, .receiver_sleeps = true}));
    holds(
        "stage, 1 word, the sender is needed, both sleep",
        staged({.words = 1, .way = Help::needed, .sender_sleeps = true, .receiver_sleeps = true}));
}

TEST(StageModel, EveryOrderIsNeededButThese) {
    // What is left is published by left_to, which is stored last and read last.
    // A word that is claimed by one side is claimed by one fetch_add, whatever `help` said.
    // Those that are seq_cst and could be release are for sleepers, whom these programs do not
    // have: see below.
    EXPECT_EQ(orders_not_needed(
                  "node/stage.hpp",
                  {staged({.words = 4, .way = Help::needed}), staged({.words = 3, .departures = 1}),
                   staged({.words = 3, .claimed = 3, .departures = 1, .calls = false})}),
              (std::set<std::string>{
                  "ask_for_pushing: update help relaxed", "begin_to_push: store help relaxed",
                  "empty_slots: store full release", "fill_slots: store full release",
                  "is_anything_left: load left_from relaxed", "leave: store help release",
                  "leave: store left_from relaxed", "next_by_call: load help relaxed",
                  "next_by_call: load left_from relaxed", "next_by_call: store left_from relaxed",
                  "open_stage: store help release"}));
}

TEST(StageModel, WhatIsWrongIsFound) {
    using Kind = Mutation::Kind;
    const Program three = staged({.words = 3});
    const Program goes = staged({.words = 3, .departures = 2});
    const Program needed = staged({.words = 4, .way = Help::needed});
    is_found("a slot that is full before it is written", needed,
             {.function = "fill_slots", .location = "full"}, "data race");
    is_found("a slot that is empty before it is read", needed,
             {.function = "empty_slots", .location = "full", .op = "store"}, "data race");
    is_found("a full slot looked at without acquire", needed,
             {.function = "empty_slots", .op = "load"}, "data race");
    is_found("an empty slot looked at without acquire", needed,
             {.function = "fill_slots", .op = "load"}, "data race");
    is_found("a claim by a load and a store", three,
             {.kind = Kind::split, .function = "claim", .op = "update"});
    is_found("a sender that leaves and does not say what", goes,
             {.kind = Kind::skip, .function = "leave", .location = "left_to"}, "deadlock");
    is_found("what is left seen with a word of before", goes,
             {.function = "leave", .location = "left_to"}, "each byte comes once");
    is_found("a word that does not count how often the sender has left", goes,
             {.kind = Kind::value,
              .function = "leave",
              .location = "help",
              .change = [](std::uint64_t word) { return word & 0xff; }});
    is_found("a stage that opens before it is ready", three,
             {.function = "open_stage", .location = "help"}, "data race");
    is_found("a sender that does not say that it pushes", goes,
             {.kind = Kind::skip, .function = "begin_to_push"});
    is_found("a full slot that does not wake the receiver",
             staged({.words = 1, .way = Help::needed, .receiver_sleeps = true}),
             {.function = "fill_slots", .op = "store", .order = std::memory_order_release},
             "deadlock");
    is_found("a stage that does not wake the sender it needs",
             staged({.words = 1, .way = Help::needed, .sender_sleeps = true}),
             {.function = "open_stage", .location = "help", .order = std::memory_order_release},
             "deadlock");
    is_found("an empty slot that does not wake the sender",
             staged({.words = 3, .claimed = 3, .way = Help::needed, .sender_sleeps = true}),
             {.function = "empty_slots", .op = "store", .order = std::memory_order_release},
             "deadlock");
    is_found("a sender that leaves and does not wake the receiver",
             staged({.words = 3, .claimed = 3, .departures = 1, .receiver_sleeps = true}),
             {.function = "leave", .location = "help", .order = std::memory_order_release},
             "deadlock");
    const Program asks = staged({.words = 3, .claimed = 3, .departures = 1, .calls = false});
    is_found("asking for what nobody hears", asks,
             {.kind = Kind::skip, .function = "ask_for_pushing"});
}

}  // namespace
}  // namespace onecopy::model
