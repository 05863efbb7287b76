// Whoever makes a result writes it into everybody's memory that needs it; and where something is
// only copied, both sides of each pair are at work. One phase: nobody waits for anybody's result.
#include "schedule/builder.hpp"
#include "schedule/slices.hpp"

namespace onecopy::schedule {
namespace {

class Push {
public:
    Push(const Call& call, int rank) noexcept
        : call_(call), rank_(rank), slices_(call.bytes, call.grain, call.ranks) {}

    Steps steps() && {
        using enum Collective;
        switch (call_.what) {
            case bcast:
                // Each rank its slice of the root's memory, to everybody.
                builder_.add(1, slices_.bytes(rank_), everybody_but(call_.root),
                             {contribution(call_.root, 0, slices_.begin(rank_))});
                break;
            case gather:
                gather_steps();
                break;
            case scatter:
                scatter_steps();
                break;
            case allgather:
                exchange([](int, int) { return 0; });
                break;
            case alltoall:
                exchange([](int, int receiver) { return receiver; });
                break;
            case reduce:
                builder_.add(1, slices_.bytes(rank_),
                             {{call_.root, Buffer::to, 0, slices_.begin(rank_)}},
                             contributions(call_.ranks, 0, slices_.begin(rank_)));
                break;
            default:  // allreduce
                builder_.add(1, slices_.bytes(rank_), everybody_but(-1),
                             contributions(call_.ranks, 0, slices_.begin(rank_)));
                break;
        }
        return std::move(builder_).done(1);
    }

private:
    [[nodiscard]] int behind(int distance) const noexcept {
        return (rank_ + distance) % call_.ranks;
    }

    /// Where this rank's slice goes, beginning with itself.
    [[nodiscard]] std::vector<Place> everybody_but(int rank) const {
        std::vector<Place> places;
        places.reserve(static_cast<std::size_t>(call_.ranks));
        for (int i = 0; i < call_.ranks; ++i) {
            if (behind(i) == rank) continue;
            places.push_back({behind(i), Buffer::to, 0, slices_.begin(rank_)});
        }
        return places;
    }

    // Between the root and each other rank, the root moves one of as many parts as there are ranks:
    // half the bytes for two ranks, and never more than its share of the work for many.
    [[nodiscard]] std::uint64_t roots_share() const noexcept { return slices_.begin(1); }

    /// Moves of a block the bytes [begin, end).
    void move(std::uint64_t begin, std::uint64_t end, int target, int target_block, int source,
              int source_block) {
        builder_.copy(1, end - begin, {target, Buffer::to, target_block, begin},
                      contribution(source, source_block, begin));
    }

    void gather_steps() {
        if (rank_ != call_.root) {
            move(roots_share(), call_.bytes, call_.root, rank_, rank_, 0);
            return;
        }
        move(0, call_.bytes, rank_, rank_, rank_, 0);
        for (int i = 1; i < call_.ranks; ++i) {
            move(0, roots_share(), rank_, behind(i), behind(i), 0);
        }
    }

    void scatter_steps() {
        if (rank_ != call_.root) {
            move(roots_share(), call_.bytes, rank_, 0, call_.root, rank_);
            return;
        }
        move(0, call_.bytes, rank_, 0, rank_, rank_);
        for (int i = 1; i < call_.ranks; ++i) {
            move(0, roots_share(), behind(i), 0, rank_, behind(i));
        }
    }

    /// `block(owner, receiver)`: which block of the owner goes there.
    template <class Block>
    void exchange(Block block) {
        const std::uint64_t half = Slices(call_.bytes, call_.grain, 2).begin(1);
        move(0, call_.bytes, rank_, rank_, rank_, block(rank_, rank_));
        for (int i = 1; i < call_.ranks; ++i) {
            const int peer = behind(i);
            move(0, half, rank_, peer, peer, block(peer, rank_));
            move(half, call_.bytes, peer, rank_, rank_, block(rank_, peer));
        }
    }

    const Call& call_;
    int rank_;
    Slices slices_;
    Builder builder_;
};

}  // namespace

Steps push_steps(const Call& call, int rank) { return Push(call, rank).steps(); }

}  // namespace onecopy::schedule
