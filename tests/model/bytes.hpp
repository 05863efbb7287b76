// The bytes of a large message in a model: words, each of which is to be copied once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "model/checker.hpp"

namespace onecopy::model {

inline constexpr std::size_t word_bytes = 4;

/// Memory of one side. A word that holds 0 was not written.
struct Side {
    std::array<std::uint32_t, 8> words;

    void write(std::uint64_t at, std::uint32_t value) {
        std::uint32_t& word = words[at / word_bytes];
        note_write(&word, sizeof word);
        word = value;
    }
    [[nodiscard]] std::uint32_t read(std::uint64_t at) const {
        const std::uint32_t& word = words[at / word_bytes];
        note_read(&word, sizeof word);
        return word;
    }
};

inline std::uint32_t value_at(std::uint64_t at) { return static_cast<std::uint32_t>(100 + at); }

/// All that a sender writes, before and, as another message, after.
inline void fill(Side& side, std::uint64_t bytes, bool anew = false) {
    for (std::uint64_t at = 0; at < bytes; at += word_bytes) {
        side.write(at, anew ? 7 : value_at(at));
    }
}

/// Straight from one memory to the other.
inline void copy(const Side& from, Side& to, std::uint64_t at, std::uint64_t bytes) {
    for (const std::uint64_t end = at + bytes; at < end; at += word_bytes) {
        check(to.read(at) == 0, "each byte is copied once");
        to.write(at, from.read(at));
    }
}

inline void check_all(const Side& side, std::uint64_t bytes) {
    for (std::uint64_t at = 0; at < bytes; at += word_bytes) {
        check(side.read(at) == value_at(at), "all bytes are there when the message is");
    }
}

}  // namespace onecopy::model
