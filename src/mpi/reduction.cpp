#include "mpi/reduction.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace onecopy::mpi {

namespace {

constexpr std::size_t tile_bytes = ChannelStore::tile_bytes;

/// A member takes a tile from the others when it has produced the next one of its own: what they
/// produced meanwhile is there by then.
constexpr std::uint64_t lag = 1;
static_assert(lag < ChannelStore::ring_tiles, "or all would wait for room, and nobody make it");

constexpr std::size_t page = 4096;
constexpr std::size_t line = 64;

std::uint32_t kind_of(const Reduction& reduction) noexcept {
    return static_cast<std::uint32_t>(reduction.op) |
           static_cast<std::uint32_t>(reduction.type) << 8 |
           static_cast<std::uint32_t>(reduction.root + 1) << 16;
}

std::size_t bytes_of(const Reduction& reduction) noexcept {
    return reduction.count * size_of(reduction.type);
}

}  // namespace

std::uint64_t Slice::tiles() const noexcept { return (bytes() + tile_bytes - 1) / tile_bytes; }

Slice Slice::tile(std::uint64_t number) const noexcept {
    return {std::min(end, begin + number * tile_bytes),
            std::min(end, begin + (number + 1) * tile_bytes)};
}

Slice slice_of(std::size_t bytes, int members, int rank) noexcept {
    const auto parts = static_cast<std::size_t>(members);
    const auto part = static_cast<std::size_t>(rank);
    // Every element's size is a power of two and at most a line, so no slice cuts one.
    const std::size_t unit = bytes / parts >= 16 * page ? page : line;
    const std::size_t units = (bytes + unit - 1) / unit;
    return {std::min(bytes, units * part / parts * unit),
            std::min(bytes, units * (part + 1) / parts * unit)};
}

void Reducer::Free::operator()(std::byte* memory) const noexcept { std::free(memory); }

Reducer::Memory Reducer::allocate() noexcept {
    return Memory(static_cast<std::byte*>(std::aligned_alloc(page, tile_bytes)));
}

Reducer::Reducer(Machine& machine, Lease lease, std::vector<int> members, int rank)
    : channel_(machine, lease, std::move(members), rank), left_(allocate()), right_(allocate()) {}

bool Reducer::gets_result(const Reduction& reduction) const noexcept {
    return reduction.root == Reduction::everybody || reduction.root == channel_.rank();
}

Outcome Reducer::run(const Reduction& reduction) noexcept {
    error_ = channel_.whole();
    if (error_) return Outcome::failed;

    Offer offer;
    offer.source = reinterpret_cast<std::uintptr_t>(reduction.source);
    offer.bytes = bytes_of(reduction);
    offer.kind = kind_of(reduction);
    offer.veto = reduction.veto || !left_ || !right_ ? 1 : 0;
    const std::size_t readable = offer.veto == 0 ? offer.bytes : 0;
    channel_.publish(offer, {reduction.source, readable});

    Outcome outcome = Outcome::done;
    error_ = channel_.await(Stage::published);
    if (!error_ && !agreed()) {
        outcome = Outcome::declined;
    } else if (!error_) {
        error_ = exchange(reduction);
    }
    if (error_) {
        channel_.abandon();
        return Outcome::failed;
    }
    channel_.reach(Stage::done);
    channel_.finish();
    return outcome;
}

/// Whether all offers fit together. Every member sees all of them, so all find the same.
bool Reducer::agreed() const noexcept {
    const Offer& first = channel_.offer(0);
    for (int member = 0; member < channel_.size(); ++member) {
        const Offer& offer = channel_.offer(member);
        if (offer.veto != 0 || offer.bytes != first.bytes || offer.kind != first.kind) return false;
    }
    return true;
}

/// The pipeline. Whoever is least far waits for nobody: the others have taken what was in the place
/// of its next tile, and have produced what it takes next.
std::error_code Reducer::exchange(const Reduction& reduction) noexcept {
    const std::size_t bytes = bytes_of(reduction);
    const int members = channel_.size();
    const std::uint64_t own = slice_of(bytes, members, channel_.rank()).tiles();
    std::uint64_t most = 0;
    for (int member = 0; member < members; ++member) {
        most = std::max(most, slice_of(bytes, members, member).tiles());
    }
    for (std::uint64_t turn = 0; turn < most + lag; ++turn) {
        if (turn < own) {
            if (auto error = produce(reduction, turn)) return error;
        }
        if (turn >= lag && gets_result(reduction)) {
            if (auto error = consume(reduction, turn - lag)) return error;
        }
    }
    if (gets_result(reduction)) return {};
    // Whoever takes no results still has to stay until its source has been read.
    for (int member = 0; member < members; ++member) {
        const std::uint64_t tiles = slice_of(bytes, members, member).tiles();
        if (tiles == 0) continue;
        if (auto error = channel_.await_produced(member, tiles)) return error;
    }
    return {};
}

/// One tile of our slice, into our ring and, if it is ours to keep, into the result.
std::error_code Reducer::produce(const Reduction& reduction, std::uint64_t tile) noexcept {
    const int rank = channel_.rank();
    const Slice part = slice_of(bytes_of(reduction), channel_.size(), rank).tile(tile);
    if (reduction.root == rank) {  // nobody else wants it
        if (auto error = combine_tile(reduction, part, reduction.result + part.begin)) return error;
        channel_.produced(tile + 1);
        return {};
    }
    if (auto error = channel_.await_room(tile, reduction.root)) return error;
    // Combined where only we write, then copied: stores one by one into lines that the others have
    // just read cost far more than the copy, which announces whole lines.
    std::byte* place = gets_result(reduction) ? reduction.result + part.begin : left_.get();
    if (auto error = combine_tile(reduction, part, place)) return error;
    std::memcpy(channel_.tile(rank, tile).data(), place, part.bytes());
    channel_.produced(tile + 1);
    return {};
}

/// That tile of every other member's slice, each member starting with another.
std::error_code Reducer::consume(const Reduction& reduction, std::uint64_t tile) noexcept {
    const int members = channel_.size();
    for (int step = 1; step < members; ++step) {
        const int member = (channel_.rank() + step) % members;
        const Slice part = slice_of(bytes_of(reduction), members, member).tile(tile);
        if (part.bytes() == 0) continue;
        if (auto error = channel_.await_produced(member, tile + 1)) return error;
        std::memcpy(reduction.result + part.begin, channel_.tile(member, tile).data(),
                    part.bytes());
    }
    channel_.consumed(tile + 1);
    return {};
}

/// ((0 op 1) op 2) op 3 ... The others' data comes through tiles that stay in the cache, our own is
/// used where it is.
std::error_code Reducer::combine_tile(const Reduction& reduction, Slice tile,
                                      std::byte* into) noexcept {
    const int members = channel_.size();
    const auto data_of = [&](int member, std::byte* room, const std::byte*& data) {
        data = reduction.source + tile.begin;
        if (member == channel_.rank()) return std::error_code();
        data = room;
        return channel_.fetch(member, channel_.offer(member).source + tile.begin,
                              {room, tile.bytes()});
    };
    const std::size_t count = tile.bytes() / size_of(reduction.type);
    const std::byte* so_far = nullptr;
    if (auto error = data_of(0, left_.get(), so_far)) return error;
    for (int member = 1; member < members; ++member) {
        const std::byte* next = nullptr;
        if (auto error = data_of(member, right_.get(), next)) return error;
        std::byte* result = member == members - 1 ? into : left_.get();
        if (auto error = combine(reduction.op, reduction.type, so_far, next, result, count)) {
            return error;
        }
        so_far = result;
    }
    return {};
}

}  // namespace onecopy::mpi
