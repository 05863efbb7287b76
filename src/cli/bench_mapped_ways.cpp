#include "cli/bench_mapped_ways.hpp"

#include <cstring>
#include <system_error>

#include "cli/bench_arena.hpp"
#include "cli/bench_cooperative.hpp"
#include "cli/bench_one_sided.hpp"
#include "onecopy/reduce.hpp"
#include "onecopy/transfer.hpp"

namespace onecopy::cli {
namespace {

/// This library, on the peer's arena: its public calls, with all their checks.
class Mapped final : public OneSided {
public:
    /// Whose memory the worker's own buffer is.
    enum class Own { arena, ordinary };

    Mapped(Own own, Work work, const Lane& lane) : OneSided(work, lane), own_(own) {}

    [[nodiscard]] std::span<std::byte> source() const override {
        return worker() == Side::sender && own_ == Own::ordinary
                   ? lane().source
                   : lane().arenas->mine(ArenaPair::Block::one_writes);
    }
    [[nodiscard]] std::span<std::byte> destination() const override {
        return worker() == Side::receiver && own_ == Own::ordinary
                   ? lane().destination
                   : lane().arenas->mine(ArenaPair::Block::one_writes);
    }

    /// Both sides have an arena to make; then the worker's proof.
    void open(Side side) override {
        lane().arenas->open(side, side == Side::sender ? lane().receiver : lane().sender);
        OneSided::open(side);
    }

private:
    void run(std::size_t bytes) override {
        const ArenaPair& arenas = *lane().arenas;
        Transfer moved;
        if (work() == Work::reduce) {
            const Segment to = destination().first(bytes);
            const RemoteSegment from{arenas.theirs(ArenaPair::Block::one_writes), bytes};
            moved = reduce(arenas.peer(), std::span(&to, 1), std::span(&from, 1), Op::sum,
                           Type::float64);
        } else if (worker() == Side::receiver) {
            moved = read(arenas.peer(), arenas.theirs(ArenaPair::Block::one_writes),
                         destination().first(bytes));
        } else {
            moved = write(arenas.peer(), source().first(bytes),
                          arenas.theirs(ArenaPair::Block::one_writes));
        }
        if (moved.error) throw std::system_error(moved.error, "onecopy");
    }

    Own own_;
};

/// Both sides copy, or add, chunks of one message. Announced by the side that would do it all in
/// the one-sided ways.
class MappedCooperative final : public Way {
public:
    MappedCooperative(Work work, const Lane& lane) : Way(lane), work_(work) {}

    [[nodiscard]] std::span<std::byte> source() const override {
        return lane().arenas->mine(ArenaPair::Block::both_write);
    }
    [[nodiscard]] std::span<std::byte> destination() const override {
        return lane().arenas->mine(ArenaPair::Block::both_write);
    }
    [[nodiscard]] bool works(Side) const override { return true; }

    void open(Side side) override {
        lane().arenas->open(side, side == Side::sender ? lane().receiver : lane().sender);
    }

    void start(std::size_t bytes) override {
        Way::start(bytes);
        ++number_;
        announced_ = false;
    }

    bool step(Side side) override {
        const ArenaPair& arenas = *lane().arenas;
        const auto own =
            reinterpret_cast<std::uintptr_t>(arenas.mine(ArenaPair::Block::both_write).data());
        const std::uint64_t from =
            side == Side::sender ? own : arenas.theirs(ArenaPair::Block::both_write);
        const std::uint64_t to =
            side == Side::sender ? arenas.theirs(ArenaPair::Block::both_write) : own;
        const Side announcer = work_ == Work::write ? Side::sender : Side::receiver;
        if (side == announcer && !announced_) {
            lane().together->announce(
                {from, to, message_bytes(), cooperative_chunk_bytes(message_bytes())});
            announced_ = true;
        }
        const std::span<std::byte> source = side == Side::sender
                                                ? arenas.mine(ArenaPair::Block::both_write)
                                                : arenas.theirs_here(ArenaPair::Block::both_write);
        const std::span<std::byte> target = side == Side::sender
                                                ? arenas.theirs_here(ArenaPair::Block::both_write)
                                                : arenas.mine(ArenaPair::Block::both_write);
        return lane().together->take_part(number_, [&](const CooperativeMessage::Chunk& chunk) {
            const std::byte* const origin = source.data() + (chunk.from - from);
            const std::span<std::byte> place = target.subspan(chunk.to - to, chunk.bytes);
            if (work_ == Work::reduce) {
                add(place, origin);
            } else {
                std::memcpy(place.data(), origin, place.size());
            }
        });
    }

private:
    Work work_;
    std::uint32_t number_ = 0;  // of the message; both sides count alike
    bool announced_ = false;
};

}  // namespace

std::unique_ptr<Way> make_mapped_way(std::string_view name, Work work, const Lane& lane) {
    if (name == "mapped_cooperative") return std::make_unique<MappedCooperative>(work, lane);
    const auto own = name == "mapped" ? Mapped::Own::arena : Mapped::Own::ordinary;
    return std::make_unique<Mapped>(own, work, lane);
}

}  // namespace onecopy::cli
