// One message at a time that two processes copy together: chunk by chunk, whoever is free takes the
// next one.
//
// Who announces a message describes it: where it is, where it is to go, how large the chunks are.
// From then on both sides claim chunks until none is left, and it is over for either when the last
// chunk is finished, whoever had it. A helper that never comes costs nothing but its help.
//
//   from, to, bytes,    the description            stored by the announcer, loaded by both
//   chunk_bytes
//   ticket              number of the message,     stored by the announcer,
//                       and chunks not claimed     counted down by both
//   finished            chunks finished            cleared by the announcer, counted up by both
//   completed           number of the last         stored by who finishes the last chunk
//                       message that is over
//
// (A) announce: description and `finished` are written before the ticket; and so is whatever the
//     announcer did to its own buffer. Every claim acquires the ticket (each change of it is an
//     atomic read-modify-write, so the chain from (A) is not broken by the other side's claims).
// (B) finish: a chunk is copied before it is counted. Who counts the last one acquires what all
//     others released.
// (C) complete: everything before is handed on to who sees `completed`.
//
// A claim is a compare-exchange of the whole ticket: a helper that is late by a message cannot take
// a chunk of the next one for one of its own. What it read of the description is then of its
// message as well: the next one is described only when all chunks of this one are finished, so
// not before they are claimed. The description is relaxed atomics, because a helper whose claim
// fails may have read it while it was rewritten.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace onecopy::cli {

/// Bytes of a chunk of a message of `bytes`; a multiple of 4 KiB. Both the first wait for help and
/// the last wait for the slower side are paid once per message, a claim once per chunk.
std::uint64_t cooperative_chunk_bytes(std::uint64_t bytes) noexcept;

/// In memory that both sides have mapped. Zero bytes are a fresh one.
class CooperativeMessage {
public:
    /// Bytes at an address of the one who sends them, to go to an address of the one who receives.
    struct Description {
        std::uint64_t from = 0;
        std::uint64_t to = 0;
        std::uint64_t bytes = 0;
        std::uint64_t chunk_bytes = 0;
    };

    /// A claimed part of a message.
    struct Chunk {
        std::uint64_t from;
        std::uint64_t to;
        std::uint64_t bytes;
    };

    /// Makes `message` known under the next number, counted from 1. Always by the same side, and
    /// only when the message before is over.
    void announce(const Description& message) noexcept;

    /// Copies chunks of message `number` by `copy(chunk)` until none is left to be claimed. True
    /// when the whole message is copied; false while it is not announced yet, or while the other
    /// side has a chunk: ask again.
    template <class Copy>
    bool take_part(std::uint32_t number, Copy&& copy) {
        Chunk chunk{};
        while (claim(number, chunk)) {
            copy(chunk);
            finish(number);
        }
        // Or a later one already: the announcer need not wait for a side that was of no help.
        const std::uint32_t over = completed_.load(std::memory_order_acquire);  // pairs with (C)
        return static_cast<std::int32_t>(over - number) >= 0;
    }

private:
    bool claim(std::uint32_t number, Chunk& chunk) noexcept;
    void finish(std::uint32_t number) noexcept;

    [[nodiscard]] std::uint32_t chunks() const noexcept;

    // The words that both sides change, each on a line of its own.
    alignas(64) std::atomic<std::uint64_t> ticket_{0};
    alignas(64) std::atomic<std::uint32_t> finished_{0};
    alignas(64) std::atomic<std::uint32_t> completed_{0};
    alignas(64) std::atomic<std::uint64_t> from_{0};
    std::atomic<std::uint64_t> to_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> chunk_bytes_{0};
};

}  // namespace onecopy::cli
