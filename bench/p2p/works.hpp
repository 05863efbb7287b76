// What the ranks of `onecopy bench p2p` do in one operation, by whatever link they have.
//
//   latency         two ranks send a message to and fro, as often as the command says
//   bandwidth       one message one way
//   bandwidth_cold  the same; both buffers are driven out of all caches before
//   bidirectional   a message each way at once
//   stream          64 messages one way, all under way at once
//   message_rate    windows of 64 messages one way, each window answered
//   incast          all ranks but the first send it a message at once
//
// In all but the last, ranks 0 and 1, 2 and 3, ... are pairs, which work at the same time.
#pragma once

#include <memory>

#include "cli/bench_control.hpp"
#include "link.hpp"

namespace onecopy::p2p {

/// One rank's part in the operations of a turn.
class Work {
public:
    Work() = default;
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;
    virtual ~Work() = default;

    /// Before the clock: writes what is to be sent, and spoils what is to be overwritten.
    virtual void prepare(std::uint64_t batch) = 0;
    virtual void run() = 0;
    /// Behind the clock: whether every byte is right that came to this rank.
    [[nodiscard]] virtual bool verify() = 0;
    /// Whether this rank has anything to do in run().
    [[nodiscard]] virtual bool timed() const { return true; }
};

/// Throws Unusable if the command names none.
std::unique_ptr<Work> make_work(const cli::JobCommand& command, Link& link, int ranks);

}  // namespace onecopy::p2p
