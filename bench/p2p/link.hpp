// What `onecopy bench p2p` asks of every library it compares: messages between the ranks of a job.
//
// rank/driver.cpp is compiled once with each *_link.cpp. The works (works.cpp) write messages where
// the link says, have them sent, and read them where the link says they are. So the same works run
// by ways that copy (from one buffer of the program into another) and by ways that hand over memory
// which the sender had borrowed from them, and the receiver reads in place.
//
// `slot` numbers the messages that a rank has under way at once, from 0 to max_slots - 1: each has
// a buffer of its own. Messages of one rank to another arrive in order. A rank first exchanges
// messages of one size; when it goes on to another size, none is under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "rank/member.hpp"

namespace onecopy::p2p {

inline constexpr int max_slots = 64;
inline constexpr int max_ranks = 16;

/// Whether two ranks have anything to say to each other: neighbours, and everybody with the first.
/// A link that pays for every pair needs no others.
constexpr bool talk(int one, int other) noexcept {
    return one != other && ((one ^ 1) == other || one == 0 || other == 0);
}

using bench::Setup;
using bench::Unusable;

/// One rank's end. For one thread. All but the destructor may throw std::exception, whose text
/// ends up in the report.
class Link : public bench::Member {
public:
    [[nodiscard]] std::unique_ptr<bench::Work> make_work(const cli::JobCommand& command,
                                                         int ranks) final;

    /// Where the message `slot` to `peer` is to be written. Zero-copy ways borrow the memory here.
    virtual std::byte* outgoing(int peer, int slot, std::size_t bytes) = 0;

    /// Whether outgoing() gives other memory every time: what was written there before is not in
    /// it.
    [[nodiscard]] virtual bool lends_anew() const { return false; }

    /// The own memory into which the message `slot` from a peer will be copied; null for ways that
    /// have it read in place.
    virtual std::byte* landing(int slot, std::size_t bytes) = 0;

    /// Sends what was written to outgoing(peer, slot, bytes). Returns when that may be reused, or
    /// is not ours any more.
    virtual void send(int peer, int slot, std::size_t bytes) = 0;

    /// Waits for the next message from `peer`, and returns where it lies: until release().
    virtual const std::byte* recv(int peer, int slot, std::size_t bytes) = 0;

    /// The same without waiting for the end; at most one in each slot and direction.
    virtual void start_send(int peer, int slot, std::size_t bytes) = 0;
    virtual void start_recv(int peer, int slot, std::size_t bytes) = 0;
    virtual void wait_all() = 0;

    /// Where the message of a start_recv() lies after wait_all(), until release().
    virtual const std::byte* arrived(int slot, std::size_t bytes) { return landing(slot, bytes); }

    /// The receiver alone does the work of a message: its sender is not timed.
    [[nodiscard]] virtual bool one_sided() const { return false; }
};

/// What is measured, and its version: "ZeroMQ 4.3.4". Asked once the link is made.
std::string library();

/// Joins the job. Throws Unusable, or any std::exception.
std::unique_ptr<Link> make_link(const Setup& setup);

}  // namespace onecopy::p2p
