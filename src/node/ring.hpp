// A queue of small messages in shared memory: one process puts them in, one takes them out.
//
// A message is an envelope and up to some kilobytes that follow it without a gap, in lines of 64
// bytes. Eight bytes and their envelope are one line, which is all that has to travel from one
// core's cache to the other's: the line itself says that it is there (its stamp), so that the
// receiver looks at nothing else.
//
//   stamp   of a message's first line   the message's place in the stream, as a number that is in
//   no
//                                       memory before: scrambled by a key that was drawn for this
//                                       ring. Stored by the writer, loaded by the reader
//   head    lines that may be written   stored by the reader, loaded by the writer when what it
//           anew                        knows of runs out
//
// The lines are used again and again, and nobody clears them, since that would be one more line to
// fetch for each message. So where the reader looks for a stamp there may be bytes of an older
// message; that they are the one number it looks for has a probability of 2 to the -64.
//
// (A) publish: the message is written before its stamp.
// (B) reclaim: a message is read before the head that gives its lines back.
// Acquire and release are enough for these; that the stamp is stored with seq_cst is for going to
// sleep (bell.hpp). A writer that is killed leaves its stamp unwritten, a reader its head: nothing
// is ever half there.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "node/atomic.hpp"
#include "node/sizes.hpp"

namespace onecopy::node {

inline constexpr std::size_t line_bytes = 64;

/// What stands before a message's bytes.
struct Envelope {
    std::uint32_t bytes = 0;    ///< of what follows in the ring
    std::uint16_t kind = 0;     ///< what the layer above makes of it
    std::uint16_t filler = 0;   ///< 1: no message, go on at the start of the ring
    std::uint32_t context = 0;  ///< the communicator
    std::int32_t source = 0;    ///< the sender's rank in it
    std::int32_t tag = 0;
    std::uint32_t reserved = 0;
};

struct alignas(line_bytes) RingLine {
    Atomic<std::uint64_t> stamp;
    Plain<Envelope> envelope;
    std::byte first_bytes[line_bytes - sizeof(std::uint64_t) - sizeof(Envelope)];
};
static_assert(sizeof(RingLine) == line_bytes);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// Zero at first.
struct RingMemory {
    /// Which ranks it leads from and to, and the key, written before anybody is told of it.
    Plain<std::int32_t> from, to;
    Plain<std::uint64_t> key;
    /// The next ring in a list, see ring_list.hpp; a number counted from 1.
    Plain<std::uint32_t> next;
    alignas(line_bytes) Atomic<std::uint64_t> head;
    RingLine lines[ring_lines];
};

/// The stamp of the message that begins `position` lines after the beginning of the stream.
constexpr std::uint64_t stamp_of(std::uint64_t key, std::uint64_t position) noexcept {
    return (key ^ position) * 0x9e37'79b9'7f4a'7c15;  // odd, so no two are the same
}

/// Lines that a message of so many bytes takes.
constexpr std::size_t lines_for(std::size_t bytes) noexcept {
    constexpr std::size_t in_first = sizeof(RingLine::first_bytes);
    return bytes <= in_first ? 1 : 1 + (bytes - in_first + line_bytes - 1) / line_bytes;
}

/// The reader gives lines back when so many have come together, or when it is asked to. With this
/// little kept back, and messages no longer than that, an empty ring always has room for one,
/// though the rest of the ring before its end be too short for it.
inline constexpr std::size_t ring_kept_lines = ring_lines / 4;
inline constexpr std::size_t ring_message_bytes =
    (ring_kept_lines - 1) * line_bytes + sizeof(RingLine::first_bytes);

/// The writing end. One thread at a time.
class RingWriter {
public:
    explicit RingWriter(RingMemory& memory) noexcept : memory_(&memory), key_(memory.key) {}

    /// Where the bytes of the next message go, at most ring_message_bytes; null if there is no room
    /// now. Nothing is announced before publish().
    std::byte* reserve(std::size_t bytes) noexcept {
        const std::size_t lines = lines_for(bytes);
        const std::size_t at = tail_ % ring_lines;
        const std::size_t rest = at + lines > ring_lines ? ring_lines - at : 0;
        if (!has_room(rest + lines)) return nullptr;
        if (rest > 0) {
            Envelope filler;
            filler.filler = 1;
            put(filler, rest);
        }
        return bytes_of(memory_->lines[tail_ % ring_lines]);
    }

    /// Announces the message whose bytes were written where reserve() said.
    void publish(const Envelope& envelope) noexcept { put(envelope, lines_for(envelope.bytes)); }

    static std::byte* bytes_of(RingLine& line) noexcept {
        return reinterpret_cast<std::byte*>(&line) + offsetof(RingLine, first_bytes);
    }

private:
    bool has_room(std::size_t lines) noexcept {
        if (tail_ + lines - head_seen_ <= ring_lines) return true;
        head_seen_ = memory_->head.load(std::memory_order_acquire);  // pairs with (B)
        return tail_ + lines - head_seen_ <= ring_lines;
    }
    void put(const Envelope& envelope, std::size_t lines) noexcept {
        RingLine& line = memory_->lines[tail_ % ring_lines];
        line.envelope = envelope;
        line.stamp.store(stamp_of(key_, tail_), std::memory_order_seq_cst);  // (A)
        tail_ += lines;
    }

    RingMemory* memory_;
    std::uint64_t key_;
    std::uint64_t tail_ = 0;
    std::uint64_t head_seen_ = 0;
};

/// The reading end. One thread at a time.
class RingReader {
public:
    explicit RingReader(RingMemory& memory) noexcept : memory_(&memory), key_(memory.key) {}

    /// The next message, which stays where it is until pop(); null if there is none.
    struct Message {
        const Envelope* envelope = nullptr;
        std::span<const std::byte> bytes;
        explicit operator bool() const noexcept { return envelope != nullptr; }
    };
    [[nodiscard]] Message peek() noexcept {
        for (;;) {
            RingLine& line = memory_->lines[position_ % ring_lines];
            // (A); seq_cst where the reader is about to sleep, see bell.hpp.
            if (line.stamp.load(std::memory_order_acquire) != stamp_of(key_, position_)) return {};
            const Envelope& envelope = line.envelope;
            if (envelope.filler == 0) {
                return {&envelope, {RingWriter::bytes_of(line), envelope.bytes}};
            }
            position_ += ring_lines - position_ % ring_lines;
        }
    }

    /// Takes the message that peek() gave. True if lines were given back: a writer may wait for
    /// them.
    bool pop() noexcept {
        const Envelope& envelope = memory_->lines[position_ % ring_lines].envelope;
        position_ += lines_for(envelope.bytes);
        return position_ - given_back_ >= ring_kept_lines && give_back();
    }

    /// Gives all lines back that were taken.
    bool give_back() noexcept {
        if (given_back_ == position_) return false;
        given_back_ = position_;
        memory_->head.store(position_, std::memory_order_seq_cst);  // (B)
        return true;
    }

    [[nodiscard]] int from() const noexcept { return memory_->from; }

private:
    RingMemory* memory_;
    std::uint64_t key_;
    std::uint64_t position_ = 0;
    std::uint64_t given_back_ = 0;
};

}  // namespace onecopy::node
