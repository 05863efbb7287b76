// The hand-off of a large message (src/node/handoff.hpp): who may still give up, who copies which
// piece, and when each may use its memory again.
#include "model/bytes.hpp"
#include "model/expect.hpp"
#include "model/sleep.hpp"
#include "node/handoff.hpp"

namespace onecopy::model {
namespace {

using node::Bell;
using node::Handoff;
using node::HandoffState;
using node::Help;
using node::Outcome;
using node::OwnShare;

constexpr std::uint64_t piece = word_bytes;
/// Claims are of half of what is left, and of one piece at least.
constexpr std::uint64_t most = 8 * piece;

struct Message {
    Handoff shared;
    /// Stands for the ring that the announcement comes through.
    Atomic<std::uint32_t> announced;
    Side source, target;
    Plain<bool> spoiled;
};

Message& make_message(Execution& run) {
    auto& message = run.make<Message>();
    Handoff& shared = message.shared;
    run.name(shared.state, "state");
    run.name(shared.next, "next");
    run.name(shared.helped, "helped");
    run.name(shared.spoiled, "spoiled");
    run.name(shared.help, "help");
    run.name(shared.bytes, "bytes");
    run.name(shared.target, "target");
    run.name(shared.outcome, "outcome");
    run.name(message.announced, "announced");
    return message;
}

struct Shape {
    int pieces = 2;
    int messages = 1;             ///< one after the other, over the same hand-off
    bool receiver_fails = false;  ///< with any of its pieces, once
    bool sender_fails = false;
    bool sleeps = false;  ///< both, for each other
};

/// Both copy.
Program shared_copy(const Shape& shape) {
    return [=](Execution& run) {
        Message& message = make_message(run);
        Bell& senders = make_bell(run, "sender's");
        Bell& receivers = make_bell(run, "receiver's");
        const std::uint64_t bytes = static_cast<std::uint64_t>(shape.pieces) * piece;
        const auto wait_for = [=](Bell& bell, const std::function<bool()>& look) {
            if (shape.sleeps) {
                wait(bell, look);
            } else {
                wait_until(look);
            }
        };
        run.thread("sender", [=, &message, &senders, &receivers] {
            Handoff& shared = message.shared;
            for (int number = 1; number <= shape.messages; ++number) {
                fill(message.source, bytes);
                shared.offer();
                message.announced.store(static_cast<std::uint32_t>(number),
                                        std::memory_order_release);
                int failures = shape.sender_fails ? 1 : 0;
                const auto copy_piece = [&](std::uint64_t at, std::uint64_t count) {
                    if (failures > 0 && choose(2) == 1) {
                        --failures;
                        message.spoiled = true;
                        return false;
                    }
                    copy(message.source, message.target, shared.target + at, count);
                    return true;
                };
                for (bool done = false; !done;) {
                    wait_for(senders, [&] {
                        const auto state = shared.state.load(std::memory_order_acquire);
                        done = state == HandoffState::done;
                        if (done) return true;
                        if (state != HandoffState::taken || shared.way() != Help::copying) {
                            return false;
                        }
                        if (node::help_with(shared, most, copy_piece) == 0) return false;
                        receivers.ring_if_asleep();
                        return true;
                    });
                }
                const bool good = shared.outcome == Outcome::all_right;
                check(good || shape.receiver_fails || shape.sender_fails, "it is all right");
                check(!good || !message.spoiled, "the sender hears that it could not copy");
                shared.state.store(HandoffState::free, std::memory_order_relaxed);
                fill(message.source, bytes, true);  // it is the sender's again
            }
        });
        run.thread("receiver", [=, &message, &senders, &receivers] {
            Handoff& shared = message.shared;
            for (int number = 1; number <= shape.messages; ++number) {
                wait_until([&] {
                    return message.announced.load(std::memory_order_acquire) ==
                           static_cast<std::uint32_t>(number);
                });
                check(shared.take(), "nobody has given up");
                shared.share(0, bytes);
                OwnShare own{bytes};
                bool may_fail = shape.receiver_fails;
                const auto copy_piece = [&](std::uint64_t at, std::uint64_t count) {
                    if (may_fail && choose(2) == 1) return false;
                    copy(message.source, message.target, at, count);
                    return true;
                };
                for (auto round = OwnShare::Round::waits; round != OwnShare::Round::over;) {
                    wait_for(receivers, [&] {
                        round = own.round(shared, most, copy_piece);
                        return round != OwnShare::Round::waits;
                    });
                }
                const bool failed =
                    own.failed || shared.spoiled.load(std::memory_order_relaxed) != 0;
                if (!failed) check_all(message.target, bytes);
                for (std::uint64_t at = 0; at < bytes; at += piece) message.target.write(at, 0);
                shared.end(failed ? Outcome::failed : Outcome::all_right);
                senders.ring_if_asleep();
            }
        });
    };
}

/// The sender gives up, at any time.
Program withdrawn(bool looks_first) {
    return [=](Execution& run) {
        Message& message = make_message(run);
        run.thread("sender", [=, &message] {
            Handoff& shared = message.shared;
            fill(message.source, piece);
            shared.offer();
            message.announced.store(1, std::memory_order_release);
            HandoffState seen{};
            if (!shared.turn(HandoffState::withdrawn, seen)) {
                if (looks_first && seen == HandoffState::done) {
                    check(shared.outcome == Outcome::all_right, "it is all right");
                } else {
                    wait_until([&] {
                        return shared.state.load(std::memory_order_acquire) == HandoffState::done;
                    });
                }
            }
            fill(message.source, piece, true);
        });
        run.thread("receiver", [&message] {
            Handoff& shared = message.shared;
            wait_until([&] { return message.announced.load(std::memory_order_acquire) == 1; });
            if (!shared.take()) return;
            copy(message.source, message.target, 0, piece);
            check_all(message.target, piece);
            shared.end(Outcome::all_right);
        });
    };
}

TEST(HandoffModel, EachPieceIsCopiedOnceAndAllWhenItIsOver) {
    holds("shared copy, 2 pieces", shared_copy({.pieces = 2}));
    holds("shared copy, 3 pieces", shared_copy({.pieces = 3}));
    holds("shared copy, 4 pieces", shared_copy({.pieces = 4}));
    holds("shared copy, 8 pieces", shared_copy({.pieces = 8}));
    holds("shared copy, 2 messages of 2 pieces", shared_copy({.pieces = 2, .messages = 2}));
}
TEST(HandoffModel, OneOfTheTwoMayFailWithAnyPiece) {
    holds("shared copy, 3 pieces, the receiver fails",
          shared_copy({.pieces = 3, .receiver_fails = true}));
    holds("shared copy, 3 pieces, the sender fails",
          shared_copy({.pieces = 3, .sender_fails = true}));
    holds("shared copy, 2 pieces, either fails",
          shared_copy({.pieces = 2, .receiver_fails = true, .sender_fails = true}));
}
TEST(HandoffModel, BothMaySleepForEachOther) {
    holds("shared copy, 1 piece, both sleep", shared_copy({.pieces = 1, .sleeps = true}));
    holds("shared copy, 2 pieces, both sleep", shared_copy({.pieces = 2, .sleeps = true}));
}
TEST(HandoffModel, ASenderThatGivesUpHasItsMemoryToItselfOrWaits) {
    holds("withdrawal", withdrawn(true));
}

TEST(HandoffModel, EveryOrderIsNeededButThese) {
    // Claims only have to be whole; what belongs to them is published by `help` and `helped`. The
    // announcement publishes what is offered.
    EXPECT_EQ(
        orders_not_needed("node/handoff.hpp",
                          {withdrawn(true), shared_copy({.pieces = 2, .messages = 2}),
                           shared_copy({.pieces = 2, .receiver_fails = true, .sender_fails = true}),
                           shared_copy({.pieces = 1, .sleeps = true})}),
        (std::set<std::string>{"claim_half: load next relaxed", "claim_half: update next relaxed",
                               "offer: store state relaxed", "round: update next relaxed",
                               "turn: update state acquire"}));
}

TEST(HandoffModel, WhatIsWrongIsFound) {
    using Kind = Mutation::Kind;
    const Program two = shared_copy({.pieces = 2});
    const Program receiver_fails = shared_copy({.pieces = 3, .receiver_fails = true});
    const Program sender_fails = shared_copy({.pieces = 2, .sender_fails = true});
    const Program sleep = shared_copy({.pieces = 1, .sleeps = true});
    is_found("a claim by a load and a store", two,
             {.kind = Kind::split, .function = "claim_half", .op = "update"});
    is_found("help offered before what it needs is written", two,
             {.function = "share", .location = "help"}, "data race");
    is_found("a copy that is over before the helper's piece is there", two,
             {.function = "help_with", .location = "helped"}, "data race");
    is_found("a helper that does not count", two,
             {.kind = Kind::skip, .function = "help_with", .location = "helped"}, "deadlock");
    is_found("a failed piece that nobody hears of", sender_fails,
             {.kind = Kind::skip, .function = "help_with", .location = "spoiled"});
    is_found("a sender that is let go too early", two, {.function = "end", .location = "state"},
             "data race");
    is_found("a receiver that fails and leaves the claims open", receiver_fails,
             {.kind = Kind::skip, .function = "round", .location = "next"});
    is_found("an end that does not wake the sender", sleep,
             {.function = "end", .location = "state", .order = std::memory_order_release},
             "deadlock");
    is_found("help that does not wake the receiver", sleep,
             {.function = "help_with", .location = "helped", .order = std::memory_order_acq_rel},
             "deadlock");
    is_found("taken and withdrawn by a load and a store", withdrawn(true),
             {.kind = Kind::split, .function = "turn"});
    is_found("an offer of before that can still be helped with",
             shared_copy({.pieces = 2, .messages = 2}),
             {.kind = Kind::skip, .function = "offer", .location = "helped"});
}

}  // namespace
}  // namespace onecopy::model
