// Form::domains. Bytes cross the edge of a domain as seldom as they can:
//
// Up, from the smallest domains to the machine: the members of a domain share the vector among them
// and each combines its pieces of all that the smaller domains inside have made, as far as the
// bracket lets it, into `partial`. Down: what a domain lacks its members fetch once, each its
// pieces, and pass it on inside.
//
// Who has which piece: the vector is dealt out to all ranks (its blocks, where it has some). A rank
// that has a piece in a domain has it in each smaller one, too, where it is a member; in the others
// a counterpart has it, who stands there as the former does in its own. So what a rank needs from
// inside its own domain is its own work, and it fetches the rest from its counterparts.
#include <algorithm>
#include <cassert>
#include <map>

#include "schedule/builder.hpp"
#include "schedule/domains.hpp"
#include "schedule/slices.hpp"

namespace onecopy::schedule {
namespace {

constexpr std::size_t at(int index) noexcept { return static_cast<std::size_t>(index); }

struct Piece {
    int block = 0;
    std::uint64_t offset = 0, bytes = 0;
};

/// Who has a domain's pieces, and where their bytes would stand one behind the other.
struct Shares {
    std::vector<int> owner;             // by piece
    std::vector<std::uint64_t> offset;  // by piece: behind the earlier ones of the same owner
    std::vector<std::uint64_t> bytes;   // by member: in all
};

class ByDomains {
public:
    ByDomains(const Call& call, int rank) : call_(call), rank_(rank), tree_(*call.domains) {
        using enum Collective;
        blocks_ = call.what == allgather || call.what == reduce_scatter;
        const Slices slices(call.bytes, call.grain, call.ranks);
        pieces_.reserve(at(call.ranks));
        for (int i = 0; i < call.ranks; ++i) {
            pieces_.push_back(blocks_ ? Piece{i, 0, call.bytes}
                                      : Piece{0, slices.begin(i), slices.bytes(i)});
        }
    }

    Steps steps() && {
        using enum Collective;
        const int levels = tree_.levels();
        switch (call_.what) {
            case bcast:
            case allgather:
                down(0);
                return std::move(builder_).done(levels);
            case allreduce:
                up();
                down(levels);
                return std::move(builder_).done(2 * levels);
            case reduce:
                up();
                fetch_results();
                return std::move(builder_).done(levels + 1);
            default:  // reduce_scatter
                up();
                return std::move(builder_).done(levels);
        }
    }

    std::uint64_t most_partial() {
        using enum Collective;
        if (call_.what == bcast || call_.what == allgather) return 0;
        std::uint64_t most = 0;
        for (int rank = 0; rank < call_.ranks; ++rank) {
            most = std::max(most, partial_of(rank));
        }
        return most;
    }

private:
    // --- who has what

    /// For the result of reduce the domains around the root have one owner for each piece, inside
    /// the smallest: bytes go straight there.
    [[nodiscard]] bool leads_to_root(int level, int domain) const noexcept {
        return call_.what == Collective::reduce && tree_.domain_of(level, call_.root) == domain;
    }

    /// Who has the pieces in a domain, not regarding the root.
    const std::vector<int>& dealt(int level, int domain) {
        std::vector<int>& owner = dealt_[{level, domain}];
        if (!owner.empty()) return owner;
        owner.reserve(pieces_.size());
        if (level == 0) {
            for (int i = 0; i < call_.ranks; ++i) {
                owner.push_back(blocks_ ? i : tree_.dealing_order()[at(i)]);
            }
            return owner;
        }
        const std::span<const int> members = tree_.members(level, domain);
        for (const int rank : dealt(level - 1, tree_.domain_of(level - 1, members.front()))) {
            const int home = tree_.domain_of(level, rank);
            const std::size_t there = tree_.members(level, home).size();
            const std::size_t counterpart =
                at(tree_.index_in(level, rank)) * members.size() / there;
            owner.push_back(members[counterpart]);  // at home, itself
        }
        return owner;
    }

    const Shares& shares(int level, int domain) {
        Shares& shares = shares_[{level, domain}];
        if (!shares.owner.empty()) return shares;
        const int lowest = tree_.levels() - 1;
        shares.owner = leads_to_root(level, domain)
                           ? dealt(lowest, tree_.domain_of(lowest, call_.root))
                           : dealt(level, domain);
        shares.bytes.resize(tree_.members(level, domain).size());
        shares.offset.reserve(pieces_.size());
        for (std::size_t i = 0; i < pieces_.size(); ++i) {
            std::uint64_t& end = shares.bytes[at(tree_.index_in(level, shares.owner[i]))];
            shares.offset.push_back(end);
            end += pieces_[i].bytes;
        }
        return shares;
    }
    const Shares& shares_around(int level, int rank) {
        return shares(level, tree_.domain_of(level, rank));
    }

    // --- where partial results are

    /// For each node that is made in a domain, larger domains first, its maker's pieces.
    std::uint64_t partial_bytes(int rank, int level) {
        const bool keeps_result = call_.what == Collective::reduce && rank != call_.root;
        if (level == 0 && !keeps_result) return 0;  // it is where the caller wants it
        const int domain = tree_.domain_of(level, rank);
        return static_cast<std::uint64_t>(tree_.made_in(level, domain)) *
               shares(level, domain).bytes[at(tree_.index_in(level, rank))];
    }

    std::uint64_t partial_of(int rank) {
        std::uint64_t sum = 0;
        for (int level = 0; level < tree_.levels(); ++level) sum += partial_bytes(rank, level);
        return sum;
    }

    Place place_of(const Domains::Node& node, int i) {
        const Shares& made = shares_around(node.level, node.first);
        const int owner = made.owner[at(i)];
        std::uint64_t offset = made.offset[at(i)];
        for (int level = 0; level < node.level; ++level) offset += partial_bytes(owner, level);
        offset += static_cast<std::uint64_t>(node.index) *
                  made.bytes[at(tree_.index_in(node.level, owner))];
        return {owner, Buffer::partial, 0, offset};
    }

    [[nodiscard]] int phase_of(int level) const noexcept { return tree_.levels() - level; }

    Source operand(const Domains::Node& node, int i) {
        if (node.count == 1)
            return contribution(node.first, pieces_[at(i)].block, pieces_[at(i)].offset);
        return {place_of(node, i), phase_of(node.level), node.first, node.count};
    }

    // --- the steps

    void up() {
        for (int level = tree_.levels() - 1; level >= 0; --level) {
            const int domain = tree_.domain_of(level, rank_);
            std::vector<int> mine;
            for (int i = 0; i < call_.ranks; ++i) {
                if (pieces_[at(i)].bytes > 0 && shares(level, domain).owner[at(i)] == rank_) {
                    mine.push_back(i);
                }
            }
            for (const Domains::Node& node : tree_.nodes(level)) {
                if (node.level != level || tree_.domain_of(level, node.first) != domain) continue;
                for (const int i : mine) combine(node, i);
            }
        }
        builder_.need_partial(partial_of(rank_));
    }

    void combine(const Domains::Node& node, int i) {
        std::vector<Source> sources;
        for (const Domains::Node& part : tree_.operands(node)) sources.push_back(operand(part, i));
        builder_.add(phase_of(node.level), pieces_[at(i)].bytes,
                     {node.level == 0 ? result_place(node, i) : place_of(node, i)},
                     std::move(sources));
    }

    Place result_place(const Domains::Node& node, int i) {
        if (call_.what == Collective::reduce && rank_ != call_.root) return place_of(node, i);
        return {rank_, Buffer::to, 0, pieces_[at(i)].offset};
    }

    /// reduce: what the root's neighbours have combined for it.
    void fetch_results() {
        if (rank_ != call_.root) return;
        const Domains::Node& all = tree_.nodes(0).front();
        for (int i = 0; i < call_.ranks; ++i) {
            const Piece& piece = pieces_[at(i)];
            const Source made = operand(all, i);
            if (made.place.rank == rank_) continue;
            builder_.copy(phase_of(0) + 1, piece.bytes, {rank_, Buffer::to, 0, piece.offset}, made);
        }
    }

    /// `before`: the phases that made what goes down now.
    void down(int before) {
        const int levels = tree_.levels();
        if (call_.what == Collective::allgather) {
            builder_.copy(1, call_.bytes, {rank_, Buffer::to, rank_, 0}, contribution(rank_, 0, 0));
        }
        for (int level = 1; level < levels; ++level) {
            const std::vector<int>& ours = dealt(level, tree_.domain_of(level, rank_));
            fetch(level, before, [&](int i) { return ours[at(i)] == rank_; });
        }
        fetch(levels, before, [](int) { return true; });
    }

    /// What comes into the domain of a level (below the lowest: to the rank itself) and falls to
    /// this rank.
    template <class FallsToUs>
    void fetch(int level, int before, const FallsToUs& falls_to_us) {
        const int around = tree_.domain_of(level - 1, rank_);
        const bool beside_root =
            call_.what == Collective::bcast && tree_.domain_of(level - 1, call_.root) == around;
        if (call_.what == Collective::bcast && brings_nothing_to(level)) return;
        const std::vector<int>& there = dealt(level - 1, around);
        for (int n = 0; n < call_.ranks; ++n) {
            const int i = (n + first_piece()) % call_.ranks;
            const int holder = beside_root ? call_.root : there[at(i)];
            if (holder == rank_ || !falls_to_us(i)) continue;
            const Piece& piece = pieces_[at(i)];
            builder_.copy(before + level, piece.bytes,
                          {rank_, Buffer::to, piece.block, piece.offset},
                          held(holder, i, before + level - 1));
        }
    }

    /// bcast: the root, and all domains around it, have everything.
    [[nodiscard]] bool brings_nothing_to(int level) const noexcept {
        return level == tree_.levels()
                   ? rank_ == call_.root
                   : tree_.domain_of(level, rank_) == tree_.domain_of(level, call_.root);
    }

    [[nodiscard]] Source held(int holder, int i, int phase) const noexcept {
        const Piece& piece = pieces_[at(i)];
        if (call_.what == Collective::bcast && holder == call_.root) {
            return contribution(holder, 0, piece.offset);
        }
        if (call_.what == Collective::allgather) {
            if (holder == i) return contribution(i, 0, 0);
            return {{holder, Buffer::to, i, 0}, phase, i, 1};
        }
        const bool combined = call_.what == Collective::allreduce;
        return {{holder, Buffer::to, 0, piece.offset},
                phase,
                combined ? 0 : call_.root,
                combined ? call_.ranks : 1};
    }

    /// Everybody begins to fetch somewhere else: behind its own.
    int first_piece() {
        if (first_piece_ < 0) {
            const std::vector<int>& owners = dealt(0, 0);
            first_piece_ = 0;
            while (owners[at(first_piece_)] != rank_) ++first_piece_;
        }
        return first_piece_;
    }

    const Call& call_;
    int rank_;
    const Domains& tree_;
    bool blocks_ = false;
    std::vector<Piece> pieces_;
    std::map<std::pair<int, int>, std::vector<int>> dealt_;  // by level and domain
    std::map<std::pair<int, int>, Shares> shares_;
    int first_piece_ = -1;
    Builder builder_;
};

}  // namespace

std::uint64_t most_partial_bytes(const Call& call) { return ByDomains(call, 0).most_partial(); }

Steps domains_steps(const Call& call, int rank) { return ByDomains(call, rank).steps(); }

}  // namespace onecopy::schedule
