// A send or a receive on its way.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "node/copying.hpp"
#include "node/kept.hpp"
#include "node/list.hpp"
#include "node/pieces.hpp"
#include "node/work.hpp"
#include "onecopy/status.hpp"

namespace onecopy::node {

class Context;

struct Posted;  // tag of a list an operation can be in, as Working is

enum class Kind : std::uint8_t { send, receive, collective };

enum class Progress : std::uint8_t {
    idle,     ///< not begun, or a persistent one that is between two rounds
    queued,   ///< a send that found no room in the ring
    offered,  ///< a large send, announced: the receiver will turn its hand-off
    posted,   ///< a receive without a message
    pulling,  ///< a receive that copies
    working,  ///< a collective
    done
};

/// Where an operation has come to: written under the endpoint's lock, and read also by the thread
/// that owns the request, without it: whether it is idle only that thread changes.
class CurrentProgress {
public:
    CurrentProgress& operator=(Progress now) noexcept {
        now_.store(now, std::memory_order_relaxed);
        return *this;
    }
    operator Progress() const noexcept { return now_.load(std::memory_order_relaxed); }

private:
    std::atomic<Progress> now_{Progress::idle};
};

/// Belongs to whoever waits for it; it must not move or go while it is neither idle nor done.
struct Operation : Hook<Posted>, Hook<Working>, Kept<Operation> {
    Kind kind = Kind::send;
    CurrentProgress progress;
    bool persistent = false;
    bool waits = false;        ///< the caller waits for it from the beginning on
    bool synchronous = false;  ///< a send that is over when a receive has taken it
    Context* context = nullptr;
    int peer = any_source;  ///< rank in the communicator, or any_source
    int tag = 0;
    std::uint64_t order = 0;  ///< when it was posted, among those of its context
    Pieces memory;
    std::uint64_t bytes = 0;  ///< of `memory`
    Status status;

    /// What only a large message needs; a small one does without the time to make it.
    std::unique_ptr<Copying> copying;
    /// Of a collective.
    std::unique_ptr<Work> work;

    [[nodiscard]] bool done() const noexcept { return progress == Progress::done; }
    void finish(std::error_code error = {}) noexcept {
        status.error = error;
        progress = Progress::done;
    }
};

}  // namespace onecopy::node
