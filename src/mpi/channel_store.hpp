// The part of the job segment in which communicators meet: a fixed number of channels, each with a
// seat for every rank of the machine.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace onecopy::mpi {

/// What a member brings to an operation. Members whose offers disagree in `bytes` or `kind`, or one
/// of which objects, send the whole operation to the MPI: all of them, since all see all offers.
struct Offer {
    std::uint64_t source = 0;  ///< address of the data to reduce, in the owner's memory
    std::uint64_t bytes = 0;   ///< of the whole operation
    std::uint32_t kind = 0;    ///< operation, type and root, the same in all members
    std::uint32_t veto = 0;    ///< not 0: this member cannot
};

/// Served by the owner of memory that its peer could not read.
enum class RequestState : std::uint32_t { idle, asked, served, refused };

/// One rank's place in one channel.
///
///   step, offers     written by the owner, read by the members
///   produced         tiles of its results that the owner has put into its ring
///   consumed         tiles that the owner has taken out of each other member's ring
///   bell             counted up by whoever wants the owner's attention; its futex word
///   asleep           written by the owner, read by whoever rings
///   request          written by the owner, but for the state's way from asked to served or refused
///
/// (A) an offer, and the memory it names, are written before the step that announces them, a tile
///     before `produced`, and a tile is read before `consumed` frees its place (release, acquire).
///     All three only grow, also from one operation and one communicator to the next. Offers
///     alternate between two places: a member can be one operation ahead of us, not two, since it
///     waits for our next offer.
/// (B) a request's fields are written before `asked`, the staging buffer before `served`.
/// (C) a word then asleep on the ringing side, asleep then the word on the sleeping one: in one
///     order for all (sequentially consistent), or both could miss each other. (A bounded sleep
///     besides.)
struct Seat {
    alignas(128) std::atomic<std::uint64_t> step;
    std::atomic<std::uint64_t> produced;
    std::atomic<std::uint64_t> consumed;
    alignas(64) Offer offers[2];
    alignas(128) std::atomic<std::uint32_t> bell;
    std::atomic<std::uint32_t> asleep;
    alignas(128) std::atomic<RequestState> request;
    std::uint32_t request_owner;  ///< the local rank that is asked
    std::uint64_t request_address;
    std::uint64_t request_bytes;
};

/// What the members of a channel share besides their seats.
///
/// (D) A channel has new users only when all old ones have left. Each member counts `users` down
///     after its last look at the channel (acquire and release: so whoever counts the last one down
///     has seen all that the others did here), and that last one frees the channel (release); who
///     takes it next acquires.
struct ChannelHead {
    /// Where the next users' steps begin: above all steps of those before. Raised by each member
    /// that leaves, read by whoever takes the channel.
    alignas(128) std::atomic<std::uint64_t> next_base;
    /// Members that have not left yet. Set by whoever takes the channel, before the others know
    /// which one it is, counted down by each member.
    std::atomic<std::uint32_t> users;
    /// Not 0: a member of this channel is dead, and nobody must wait here any more.
    std::atomic<std::uint32_t> poisoned;
};

/// A channel, and the number at which its steps begin.
struct Lease {
    int channel = -1;
    std::uint64_t base = 0;
};

/// A view of that memory, the same in all ranks. Zero bytes are its empty state.
class ChannelStore {
public:
    static constexpr int channels = 64;
    /// Results travel in tiles, through a ring of this many for each rank in each channel: small
    /// enough to stay in the second level cache. docs/decisions/020 has the figures.
    static constexpr std::size_t tile_bytes = 128 << 10;
    static constexpr std::uint64_t ring_tiles = 4;
    static constexpr std::size_t staging_bytes = 64 << 10;

    /// The memory it needs for so many ranks on the machine; most of it is never touched.
    static std::size_t bytes(int local_ranks);

    ChannelStore(std::span<std::byte> memory, int local_ranks) noexcept;

    [[nodiscard]] int local_ranks() const noexcept { return local_ranks_; }

    /// A free channel for so many members, or none. By one of them, who then tells the others.
    std::optional<Lease> take(int members) noexcept;
    /// By each of them, once, when it will not look at the channel any more; `next_base` is above
    /// all its steps there. The others may still be at work: the channel is free when the last has
    /// left. It stays taken for ever if one never does, or if it was poisoned.
    void leave(int channel, std::uint64_t next_base) noexcept;

    [[nodiscard]] ChannelHead& head(int channel) const noexcept;
    [[nodiscard]] Seat& seat(int channel, int local_rank) const noexcept;
    /// Where `local_rank` puts its results' tile number `tile`.
    [[nodiscard]] std::span<std::byte> tile(int channel, int local_rank,
                                            std::uint64_t tile) const noexcept;
    /// Where the owners of memory put what `local_rank` asked them for.
    [[nodiscard]] std::span<std::byte> staging(int channel, int local_rank) const noexcept;

private:
    [[nodiscard]] std::atomic<std::uint64_t>& used() const noexcept;
    [[nodiscard]] std::byte* buffers(int channel, int local_rank) const noexcept;

    std::byte* memory_;
    int local_ranks_;
};

}  // namespace onecopy::mpi
