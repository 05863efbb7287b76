// Messages of many kinds between the ranks of a job, such that every rank knows what is to come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "onecopy/node.hpp"

namespace onecopy::bench {

/// A rank's buffers: half of them from the arena, half in memory that nobody prepared.
class Buffers {
public:
    /// `bytes`: of each of the four.
    Buffers(Arena& arena, std::size_t bytes);
    ~Buffers();
    Buffers(const Buffers&) = delete;
    Buffers& operator=(const Buffers&) = delete;

    enum class Kind { arena, ordinary };
    [[nodiscard]] Segment outgoing(Kind kind) const noexcept {
        return kind == Kind::arena ? arena_.first(bytes_) : ordinary_.first(bytes_);
    }
    [[nodiscard]] Segment incoming(Kind kind) const noexcept {
        return kind == Kind::arena ? arena_.subspan(bytes_) : ordinary_.subspan(bytes_);
    }
    /// Of those in the arena.
    [[nodiscard]] std::size_t arena_bytes() const noexcept { return arena_.size(); }
    /// Gives the ordinary ones back to the kernel: nothing may be sent from there any more.
    void drop_ordinary() noexcept;

private:
    Arena& from_;
    std::size_t bytes_;
    Segment arena_, ordinary_;
};

/// Some number that depends on all bits of this one. Source: the finalizer of MurmurHash3.
constexpr std::uint32_t scramble(std::uint32_t value) noexcept {
    value = (value ^ value >> 16) * 0x85eb'ca6bU;
    value = (value ^ value >> 13) * 0xc2b2'ae35U;
    return value ^ value >> 16;
}

/// Fills a message such that another one, an older one or a torn one does not pass for it.
void stamp(Segment message, int from, std::uint32_t number) noexcept;
[[nodiscard]] bool is_stamped(ConstSegment message, int from, std::uint32_t number) noexcept;

/// A step of mixed traffic that all ranks take together. Not thread-safe.
class Traffic {
public:
    Traffic(Communicator& world, const Buffers& buffers);

    /// The steps are drawn by their number, alike in all ranks.
    [[nodiscard]] const char* name_of(std::uint32_t step) const noexcept;
    /// Returns false if wrong bytes came. Throws std::system_error: what stopped it.
    [[nodiscard]] bool take(std::uint32_t step);

private:
    [[nodiscard]] int neighbour(int distance) const noexcept {
        return (world_.rank() + distance + world_.size()) % world_.size();
    }
    bool around(std::uint32_t step, Segment out, Segment in, std::size_t bytes);
    bool pairs(std::uint32_t step, std::size_t bytes);
    bool to_one(std::uint32_t step);

    Communicator& world_;
    const Buffers& buffers_;
    std::vector<Request> requests_;
};

/// Talks to `peers` ranks, half of them before and half of them behind this one: small messages
/// until the rings between them have been used from end to end, and large ones of both kinds of
/// memory into both. Returns false if wrong bytes came. Throws std::system_error.
bool talk_to_peers(Communicator& world, const Buffers& buffers, int peers);

}  // namespace onecopy::bench
