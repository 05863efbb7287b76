// Whoever needs a result fetches it from whoever has made it; what is to be combined is combined by
// all, a slice each.
#include <algorithm>

#include "schedule/builder.hpp"
#include "schedule/slices.hpp"

namespace onecopy::schedule {
namespace {

/// Everything combined, as `rank` has it after `phase`.
Source result(int rank, Buffer buffer, std::uint64_t offset, int phase, int ranks) noexcept {
    return {{rank, buffer, 0, offset}, phase, 0, ranks};
}

class Pull {
public:
    Pull(const Call& call, int rank) noexcept : call_(call), rank_(rank) {}

    Steps steps() && {
        using enum Collective;
        switch (call_.what) {
            case bcast:
                bcast_steps();
                break;
            case gather:
                if (rank_ == call_.root) collect([](int) { return 0; });
                break;
            case allgather:
                collect([](int) { return 0; });
                break;
            case alltoall:
                collect([this](int) { return rank_; });
                break;
            case scatter:
                builder_.copy(1, call_.bytes, to(0), contribution(call_.root, rank_, 0));
                break;
            case reduce:
                reduce_steps();
                break;
            case allreduce:
                allreduce_steps();
                break;
            case reduce_scatter:
                builder_.add(1, call_.bytes, {to(0)}, contributions(call_.ranks, rank_, 0));
                break;
            case scan:
                scan_steps();
                break;
            case exscan:
                exscan_steps();
                break;
        }
        return std::move(builder_).done(phases_);
    }

private:
    [[nodiscard]] Place to(std::uint64_t offset, int block = 0) const noexcept {
        return {rank_, Buffer::to, block, offset};
    }
    /// The `distance`-th behind this one: everybody begins with another.
    [[nodiscard]] int behind(int distance) const noexcept {
        return (rank_ + distance) % call_.ranks;
    }

    void bcast_steps() {
        if (rank_ != call_.root) {
            builder_.copy(1, call_.bytes, to(0), contribution(call_.root, 0, 0));
        }
    }

    /// A block of every rank: which of its, `block` says.
    template <class Block>
    void collect(Block block) {
        for (int i = 0; i < call_.ranks; ++i) {
            const int peer = behind(i);
            builder_.copy(1, call_.bytes, to(0, peer), contribution(peer, block(peer), 0));
        }
    }

    void allreduce_steps() {
        const Slices slices(call_.bytes, call_.grain, call_.ranks);
        builder_.add(1, slices.bytes(rank_), {to(slices.begin(rank_))},
                     contributions(call_.ranks, 0, slices.begin(rank_)));
        for (int i = 1; i < call_.ranks; ++i) {
            const int peer = behind(i);
            builder_.copy(2, slices.bytes(peer), to(slices.begin(peer)),
                          result(peer, Buffer::to, slices.begin(peer), 1, call_.ranks));
        }
        phases_ = 2;
    }

    void reduce_steps() {
        const Slices slices(call_.bytes, call_.grain, call_.ranks);
        const bool root = rank_ == call_.root;
        if (!root) builder_.need_partial(slices.bytes(rank_));
        builder_.add(1, slices.bytes(rank_),
                     {root ? to(slices.begin(rank_)) : Place{rank_, Buffer::partial, 0, 0}},
                     contributions(call_.ranks, 0, slices.begin(rank_)));
        for (int i = 1; root && i < call_.ranks; ++i) {
            const int peer = behind(i);
            builder_.copy(2, slices.bytes(peer), to(slices.begin(peer)),
                          result(peer, Buffer::partial, 0, 1, call_.ranks));
        }
        phases_ = 2;
    }

    /// A chain has all ranks at work only where the vector goes through it in parts: a phase each.
    [[nodiscard]] Slices links() const noexcept {
        constexpr std::uint64_t long_enough = 32U << 10, most = 64;
        const auto parts = std::clamp<std::uint64_t>(
            std::min(call_.bytes / long_enough, call_.bytes / call_.grain), 1, most);
        return {call_.bytes, call_.grain, static_cast<int>(parts)};
    }

    void scan_steps() {
        const Slices parts = links();
        int part = 0;
        for (; parts.begin(part) < call_.bytes; ++part) {
            const std::uint64_t at = parts.begin(part);
            std::vector<Source> sources;
            if (rank_ > 0) {
                sources.push_back({{rank_ - 1, Buffer::to, 0, at}, part + 1, 0, rank_});
            }
            sources.push_back(contribution(rank_, 0, at));
            builder_.add(part + 1, parts.bytes(part), {to(at)}, std::move(sources));
        }
        phases_ = std::max(part, 1);
    }

    /// What goes down the chain includes the own contribution, the result does not. The next rank
    /// waits for the former; and in place the contribution is gone when the result is written.
    void exscan_steps() {
        const Slices parts = links();
        int part = 0;
        for (; parts.begin(part) < call_.bytes; ++part) {
            if (rank_ == 0) continue;
            const std::uint64_t at = parts.begin(part);
            const int passed_on = 2 * part + 1;
            const Source before =
                rank_ == 1 ? contribution(0, 0, at)
                           : Source{{rank_ - 1, Buffer::partial, 0, at}, passed_on, 0, rank_};
            if (rank_ + 1 < call_.ranks) {
                builder_.add(passed_on, parts.bytes(part), {{rank_, Buffer::partial, 0, at}},
                             {before, contribution(rank_, 0, at)});
            }
            builder_.copy(passed_on + 1, parts.bytes(part), to(at), before);
        }
        if (rank_ > 0 && rank_ + 1 < call_.ranks) builder_.need_partial(call_.bytes);
        phases_ = std::max(2 * part, 1);
    }

    const Call& call_;
    int rank_;
    Builder builder_;
    int phases_ = 1;
};

}  // namespace

Steps pull_steps(const Call& call, int rank) { return Pull(call, rank).steps(); }

}  // namespace onecopy::schedule
