// A send or a receive on its way.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "attach/transfer.hpp"
#include "node/handoff.hpp"
#include "node/list.hpp"
#include "node/pieces.hpp"
#include "node/ring.hpp"
#include "onecopy/status.hpp"
#include "onecopy/transfer.hpp"
#include "plan/cursor.hpp"

namespace onecopy::node {

class Context;

struct Posted;  // tags of the lists an operation can be in
struct Working;

enum class Kind : std::uint8_t { send, receive };

enum class Progress : std::uint8_t {
    idle,     ///< not begun, or a persistent one that is between two rounds
    queued,   ///< a send that found no room in the ring
    offered,  ///< a large send, announced: the receiver will turn its hand-off
    posted,   ///< a receive without a message
    pulling,  ///< a receive that copies
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

/// What a receive copies from: the sender's memory.
struct Source {
    int rank = -1;  ///< in the job
    std::uint64_t bytes = 0;
    HandoffName handoff{};
    RemoteSegment one{};
    std::vector<RemoteSegment> many;
    /// Where the list of segments could not be fetched: only the sender can send then.
    bool unknown = false;

    [[nodiscard]] std::span<const RemoteSegment> list() const noexcept {
        return many.empty() ? std::span(&one, 1) : std::span<const RemoteSegment>(many);
    }
};

/// A position in a list that goes forward, and starts anew where it must go back.
template <class S>
class Place {
public:
    void begin(std::span<const S> list) noexcept {
        list_ = list;
        cursor_ = plan::Cursor(list.data(), list.size());
        at_ = 0;
    }
    void seek(std::uint64_t at) noexcept {
        if (at < at_) begin(list_);
        cursor_.advance(at - at_);
        at_ = at;
    }
    [[nodiscard]] std::uint64_t at() const noexcept { return at_; }
    [[nodiscard]] plan::Cursor<S> cursor() const noexcept { return cursor_; }

private:
    std::span<const S> list_;
    plan::Cursor<S> cursor_;
    std::uint64_t at_ = 0;
};

/// Belongs to whoever waits for it; it must not move or go while it is neither idle nor done.
struct Operation : Hook<Posted>, Hook<Working> {
    Kind kind = Kind::send;
    CurrentProgress progress;
    bool persistent = false;
    Context* context = nullptr;
    int peer = any_source;  ///< rank in the communicator, or any_source
    int tag = 0;
    std::uint64_t order = 0;  ///< when it was posted, among those of its context
    Pieces memory;
    std::uint64_t bytes = 0;  ///< of `memory`
    Status status;

    HandoffName handoff{};                 ///< of a large send
    std::vector<RemoteSegment> announced;  ///< its list, where the receiver fetches it
    // A receive that copies:
    Source source;
    std::uint64_t wanted = 0;  ///< as much of the message as there is memory for
    std::uint64_t moved = 0;
    Place<Segment> to;
    Place<RemoteSegment> from;
    bool shared = false;        ///< the sender may help
    std::uint64_t claimed = 0;  ///< then: by us
    std::error_code failure;    ///< then: why no more is claimed

    // Either side of a message that goes through a stage:
    bool staged = false;
    bool waits_for_stage = false;  ///< the receiver: all are in use, and there is no other way
    std::uint64_t slots_used = 0;  ///< of this message
    Place<Segment> staged_at;      ///< where the next one's bytes are, or go
    std::uint64_t push_end = 0;    ///< the sender: of what it has claimed
    bool unreadable = false;       ///< the sender: not by us
    int patience = 0;              ///< the receiver: rounds in which the sender may come

    /// From a few that the thread keeps: a stream of small messages would spend much of its time
    /// in malloc.
    static void* operator new(std::size_t bytes);
    static void operator delete(void* memory) noexcept;

    [[nodiscard]] bool done() const noexcept { return progress == Progress::done; }
    void finish(std::error_code error = {}) noexcept {
        status.error = error;
        progress = Progress::done;
    }
};

}  // namespace onecopy::node
