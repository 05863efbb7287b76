// A large message on its way: where its bytes are and go, and how many have moved.
#pragma once

#include <cstdint>
#include <span>
#include <system_error>
#include <vector>

#include "attach/transfer.hpp"
#include "node/handoff.hpp"
#include "node/kept.hpp"
#include "onecopy/transfer.hpp"
#include "plan/cursor.hpp"

namespace onecopy::node {

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

/// Of a large message, on either side.
struct Copying : Kept<Copying> {
    HandoffName handoff{};                 ///< of a send
    std::vector<RemoteSegment> announced;  ///< its list, where the receiver fetches it

    // A receive:
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
    bool brought = false;          ///< the stage is the sender's, who came with it
    bool by_calls = false;         ///< the receiver: may read the sender's memory
    bool waits_for_stage = false;  ///< the receiver: all are in use, and there is no other way
    std::uint64_t slots_used = 0;  ///< of this message
    Place<Segment> staged_at;      ///< where the next one's bytes are, or go
    std::uint64_t push_end = 0;    ///< the sender: of what it has claimed
    std::uint64_t left_end = 0;    ///< the sender: of what it has left
    bool unreadable = false;       ///< the sender: not by us
    int patience = 0;              ///< the receiver: rounds in which the sender may come
};

}  // namespace onecopy::node
