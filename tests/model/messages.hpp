// Small messages through a ring, as the threads of a model send and receive them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "model/checker.hpp"
#include "node/ring.hpp"

namespace onecopy::model {

inline constexpr std::uint64_t ring_key = 0x1234'5678'9abc'def1;

/// The bytes of a message: stamps that its reader has passed, which it must not take for one.
inline std::array<std::uint64_t, node::ring_message_bytes / 8> bytes_of_message(int tag) {
    std::array<std::uint64_t, node::ring_message_bytes / 8> words{};
    for (std::size_t i = 0; i < words.size(); ++i) {
        words[i] = node::stamp_of(ring_key, static_cast<std::uint64_t>(tag) % (i + 1));
    }
    return words;
}

/// False: no room.
inline bool push(node::RingWriter& ring, int tag, std::size_t bytes) {
    std::byte* const place = ring.reserve(bytes);
    if (place == nullptr) return false;
    note_write(place, bytes);
    std::memcpy(place, bytes_of_message(tag).data(), bytes);
    note_written(place, bytes);
    node::Envelope envelope;
    envelope.bytes = static_cast<std::uint32_t>(bytes);
    envelope.tag = tag;
    ring.publish(envelope);
    return true;
}

/// Takes one that is there, which is to be that one; `gave` as RingReader::pop(). False: none.
inline bool pop(node::RingReader& ring, int tag, std::size_t bytes, bool* gave = nullptr) {
    const auto message = ring.peek();
    if (!message) return false;
    check(message.envelope->tag == tag, "the messages come in the order in which they were sent");
    check(message.bytes.size() == bytes, "a message is as long as it was");
    note_read(message.bytes.data(), bytes);
    check(std::memcmp(message.bytes.data(), bytes_of_message(tag).data(), bytes) == 0,
          "a message's bytes are what was sent");
    const bool given = ring.pop();
    if (gave != nullptr) *gave = given;
    return true;
}

/// Makes a ring that has been used for so many lines.
inline node::RingMemory& used_ring(Execution& run, std::size_t lines, node::RingWriter*& writer,
                                   node::RingReader*& reader) {
    auto& memory = run.make<node::RingMemory>();
    memory.key = ring_key;
    writer = &run.make<node::RingWriter>(memory);
    reader = &run.make<node::RingReader>(memory);
    run.name(memory.head, "head");
    for (node::RingLine& line : memory.lines) run.name(line.stamp, "stamp");
    for (std::size_t i = 0; i < lines; ++i) {
        push(*writer, 99, 8);
        pop(*reader, 99, 8);
    }
    return memory;
}

}  // namespace onecopy::model
