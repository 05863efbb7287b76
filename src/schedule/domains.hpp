// Where the ranks of a call are, as a tree: the machine, its packages, their NUMA nodes, their L3
// caches, the ranks at each. And which partial results can be made where.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

namespace onecopy::schedule {

struct Call;

/// A rank's place. Numbers mean something inside the next larger thing, or everywhere: the first
/// L3 of node 0 and the first of node 1 are two either way.
struct Where {
    int package = 0, numa = 0, l3 = 0;

    auto operator<=>(const Where&) const = default;
};

/// What two ranks have between them.
enum class Link : unsigned char { self, l3, numa, package, machine };

[[nodiscard]] Link link_between(const Where& one, const Where& other) noexcept;

/// Immutable: any thread.
///
/// Level 0 is the machine, and each further level splits the one above. A level that splits nothing
/// is left out, and so is one of single ranks (that would leave the work of a reduce to its root):
/// 1 level is all there is where everybody shares an L3, or nobody does.
class Domains {
public:
    /// A partial result: a node of the bracket (see left_of) whose ranks are all in one domain of a
    /// level, and whose parent's are not.
    struct Node {
        int first = 0, count = 0;
        int level = 0;  ///< the lowest at which it is such a node: there it is made. A single
                        ///< rank's contribution is not made: levels()
        int index = 0;  ///< among those made in its domain
    };

    /// One place for each rank. Throws std::bad_alloc.
    explicit Domains(std::span<const Where> places);

    [[nodiscard]] int ranks() const noexcept { return static_cast<int>(places_.size()); }
    [[nodiscard]] const Where& where(int rank) const noexcept { return places_[at(rank)]; }

    [[nodiscard]] int levels() const noexcept { return static_cast<int>(levels_.size()); }
    /// How many at a level; they are numbered from 0.
    [[nodiscard]] int count(int level) const noexcept {
        return static_cast<int>(levels_[at(level)].begins.size()) - 1;
    }
    [[nodiscard]] int domain_of(int level, int rank) const noexcept {
        return levels_[at(level)].domain[at(rank)];
    }
    /// The ranks in it, those of the same smaller domain next to each other.
    [[nodiscard]] std::span<const int> members(int level, int domain) const noexcept {
        const auto& begins = levels_[at(level)].begins;
        return std::span(order_).subspan(at(begins[at(domain)]),
                                         at(begins[at(domain) + 1] - begins[at(domain)]));
    }
    /// Where a rank stands among the members of its domain.
    [[nodiscard]] int index_in(int level, int rank) const noexcept {
        return position_[at(rank)] - levels_[at(level)].begins[at(domain_of(level, rank))];
    }

    /// The nodes of a level, in the order of ranks: together they are all ranks.
    [[nodiscard]] std::span<const Node> nodes(int level) const noexcept {
        return levels_[at(level)].nodes;
    }
    /// Those nodes of the level below of which `node`, made at its level, is combined. At the
    /// lowest level these are the contributions.
    [[nodiscard]] std::span<const Node> operands(const Node& node) const noexcept;
    /// How many nodes are made in a domain.
    [[nodiscard]] int made_in(int level, int domain) const noexcept {
        return levels_[at(level)].made[at(domain)];
    }

    /// The ranks in such an order that those in the same position in their domains stand together:
    /// the first of each L3, the second of each, ... A vector that is dealt out in it falls into
    /// one run for each member of an L3, if these are equally large.
    [[nodiscard]] std::span<const int> dealing_order() const noexcept { return dealing_; }

private:
    struct Level {
        std::vector<int> domain;  // by rank
        std::vector<int> begins;  // by domain, in order_; and the end
        std::vector<Node> nodes;
        std::vector<int> node_at;  // by rank: which node it is in
        std::vector<int> made;     // by domain
    };
    static constexpr std::size_t at(int index) noexcept { return static_cast<std::size_t>(index); }

    void add_level(std::vector<int> begins);
    void find_nodes();
    void find_dealing_order();

    std::vector<Where> places_;
    std::vector<int> order_;     // the ranks, by place
    std::vector<int> position_;  // of a rank in order_
    std::vector<Level> levels_;
    std::vector<Node> leaves_;
    std::vector<int> dealing_;
};

/// What the rank that needs most of it needs of `partial` in a call by domains:
/// Steps::partial_bytes without the steps. Work for each domain and rank. Throws std::bad_alloc.
[[nodiscard]] std::uint64_t most_partial_bytes(const Call& call);

}  // namespace onecopy::schedule
