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

std::optional<Lease> ChannelStore::take() noexcept {
    std::uint64_t seen = used().load(std::memory_order_relaxed);
    for (;;) {
        if (~seen == 0) return std::nullopt;
        const int channel = __builtin_ctzll(~seen);
        // Acquire: what its last user left behind (give_back) is seen.
        if (used().compare_exchange_weak(seen, seen | std::uint64_t{1} << channel,
                                         std::memory_order_acquire)) {
            return Lease{channel, head(channel).next_base.load(std::memory_order_relaxed)};
        }
    }
}

void ChannelStore::give_back(int channel, std::uint64_t next_base) noexcept {
    // A poisoned channel stays taken: survivors may still be on their way out of it.
    if (head(channel).poisoned.load(std::memory_order_relaxed) != 0) return;
    head(channel).next_base.store(next_base, std::memory_order_relaxed);
    used().fetch_and(~(std::uint64_t{1} << channel), std::memory_order_release);
}

}  // namespace onecopy::mpi
