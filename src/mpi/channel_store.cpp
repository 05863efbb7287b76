#include "mpi/channel_store.hpp"

namespace onecopy::mpi {

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t head_bytes = page;  // the bitmap
static_assert(ChannelStore::channels <= 64);
constexpr std::size_t ring_bytes = ChannelStore::ring_tiles * ChannelStore::tile_bytes;
constexpr std::size_t buffer_bytes = ring_bytes + ChannelStore::staging_bytes;

std::size_t channel_bytes(int local_ranks) {
    const std::size_t seats =
        sizeof(ChannelHead) + static_cast<std::size_t>(local_ranks) * sizeof(Seat);
    return (seats + page - 1) / page * page;
}

}  // namespace

std::size_t ChannelStore::bytes(int local_ranks) {
    return head_bytes + channels * (channel_bytes(local_ranks) +
                                    static_cast<std::size_t>(local_ranks) * buffer_bytes);
}

ChannelStore::ChannelStore(std::span<std::byte> memory, int local_ranks) noexcept
    : memory_(memory.data()), local_ranks_(local_ranks) {}

std::atomic<std::uint64_t>& ChannelStore::used() const noexcept {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(memory_);
}

ChannelHead& ChannelStore::head(int channel) const noexcept {
    std::byte* at =
        memory_ + head_bytes + static_cast<std::size_t>(channel) * channel_bytes(local_ranks_);
    return *reinterpret_cast<ChannelHead*>(at);
}

Seat& ChannelStore::seat(int channel, int local_rank) const noexcept {
    auto* first =
        reinterpret_cast<Seat*>(reinterpret_cast<std::byte*>(&head(channel)) + sizeof(ChannelHead));
    return first[local_rank];
}

std::byte* ChannelStore::buffers(int channel, int local_rank) const noexcept {
    const auto ranks = static_cast<std::size_t>(local_ranks_);
    const std::size_t index =
        static_cast<std::size_t>(channel) * ranks + static_cast<std::size_t>(local_rank);
    return memory_ + head_bytes + channels * channel_bytes(local_ranks_) + index * buffer_bytes;
}

std::span<std::byte> ChannelStore::tile(int channel, int local_rank,
                                        std::uint64_t tile) const noexcept {
    return {buffers(channel, local_rank) + tile % ring_tiles * tile_bytes, tile_bytes};
}

std::span<std::byte> ChannelStore::staging(int channel, int local_rank) const noexcept {
    return {buffers(channel, local_rank) + ring_bytes, staging_bytes};
}

std::optional<Lease> ChannelStore::take(int members) noexcept {
    std::uint64_t seen = used().load(std::memory_order_relaxed);
    for (;;) {
        if (~seen == 0) return std::nullopt;
        const int channel = __builtin_ctzll(~seen);
        if (used().compare_exchange_weak(seen, seen | std::uint64_t{1} << channel,
                                         std::memory_order_acquire)) {  // (D)
            ChannelHead& taken = head(channel);
            // Relaxed: nobody else knows the channel until it is told, and that message orders it.
            taken.users.store(static_cast<std::uint32_t>(members), std::memory_order_relaxed);
            return Lease{channel, taken.next_base.load(std::memory_order_relaxed)};
        }
    }
}

void ChannelStore::leave(int channel, std::uint64_t next_base) noexcept {
    ChannelHead& left = head(channel);
    // The members of a correct program all name the same; the highest is safe for any other.
    std::uint64_t highest = left.next_base.load(std::memory_order_relaxed);
    while (highest < next_base &&
           !left.next_base.compare_exchange_weak(highest, next_base, std::memory_order_relaxed)) {
    }
    if (left.users.fetch_sub(1, std::memory_order_acq_rel) != 1) return;  // (D)
    // Poisoned means that a member has ended or given up: what it left behind is not worth knowing.
    if (left.poisoned.load(std::memory_order_relaxed) != 0) return;
    used().fetch_and(~(std::uint64_t{1} << channel), std::memory_order_release);  // (D)
}

}  // namespace onecopy::mpi
