#include "schedule/domains.hpp"

#include <algorithm>
#include <cassert>
#include <numeric>

#include "schedule/schedule.hpp"

namespace onecopy::schedule {
namespace {

/// Splits [first, first + count) into the largest nodes that `whole` accepts, in order.
template <class Whole, class Take>
void split(int first, int count, const Whole& whole, const Take& take) {
    if (count == 1 || whole(first, count)) {
        take(first, count);
        return;
    }
    const int left = left_of(count);
    split(first, left, whole, take);
    split(first + left, count - left, whole, take);
}

}  // namespace

Link link_between(const Where& one, const Where& other) noexcept {
    if (one.package != other.package) return Link::machine;
    if (one.numa != other.numa) return Link::package;
    return one.l3 != other.l3 ? Link::numa : Link::l3;
}

Domains::Domains(std::span<const Where> places) : places_(places.begin(), places.end()) {
    assert(!places.empty());
    order_.resize(places.size());
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](int a, int b) { return places_[at(a)] < places_[at(b)]; });
    position_.resize(places.size());
    for (int i = 0; i < ranks(); ++i) position_[at(order_[at(i)])] = i;

    const auto split_where = [&](Link apart) {
        std::vector<int> begins{0};
        for (int i = 1; i < ranks(); ++i) {
            if (link_between(where(order_[at(i - 1)]), where(order_[at(i)])) >= apart) {
                begins.push_back(i);
            }
        }
        begins.push_back(ranks());
        return begins;
    };
    add_level({0, ranks()});
    for (const Link apart : {Link::machine, Link::package, Link::numa}) {
        std::vector<int> begins = split_where(apart);
        // Neither a level that splits nothing nor one of single ranks.
        if (begins.size() > levels_.back().begins.size() && begins.size() <= places.size()) {
            add_level(std::move(begins));
        }
    }
    find_nodes();
    find_dealing_order();
}

void Domains::add_level(std::vector<int> begins) {
    Level level;
    level.domain.resize(places_.size());
    for (std::size_t domain = 0; domain + 1 < begins.size(); ++domain) {
        for (int i = begins[domain]; i < begins[domain + 1]; ++i) {
            level.domain[at(order_[at(i)])] = static_cast<int>(domain);
        }
    }
    level.made.resize(begins.size() - 1);
    level.begins = std::move(begins);
    levels_.push_back(std::move(level));
}

void Domains::find_nodes() {
    for (int rank = 0; rank < ranks(); ++rank) leaves_.push_back({rank, 1, levels(), 0});
    for (int l = levels() - 1; l >= 0; --l) {
        Level& level = levels_[at(l)];
        std::vector<int> run_end(places_.size());  // of ranks of one domain
        for (int rank = ranks() - 1; rank >= 0; --rank) {
            const bool last =
                rank + 1 == ranks() || level.domain[at(rank)] != level.domain[at(rank + 1)];
            run_end[at(rank)] = last ? rank + 1 : run_end[at(rank + 1)];
        }
        const bool lowest = l + 1 == levels();
        level.node_at.resize(places_.size());
        split(
            0, ranks(), [&](int first, int count) { return run_end[at(first)] >= first + count; },
            [&](int first, int count) {
                const Node& below =
                    lowest ? leaves_[at(first)]
                           : levels_[at(l + 1)].nodes[at(levels_[at(l + 1)].node_at[at(first)])];
                Node node = below;  // where it is the same one, there it is made
                if (below.count != count) {
                    node = {first, count, l, level.made[at(level.domain[at(first)])]++};
                }
                std::fill_n(level.node_at.begin() + first, count,
                            static_cast<int>(level.nodes.size()));
                level.nodes.push_back(node);
            });
    }
}

std::span<const Domains::Node> Domains::operands(const Node& node) const noexcept {
    if (node.level + 1 >= levels())
        return std::span(leaves_).subspan(at(node.first), at(node.count));
    const Level& below = levels_[at(node.level + 1)];
    const int begin = below.node_at[at(node.first)];
    const int last = below.node_at[at(node.first + node.count - 1)];
    return std::span(below.nodes).subspan(at(begin), at(last - begin + 1));
}

void Domains::find_dealing_order() {
    dealing_ = order_;
    const int lowest = levels() - 1;
    const auto child_in_parent = [&](int level, int rank) {  // a domain's number among its siblings
        const int parent = domain_of(level - 1, rank);
        return domain_of(level, rank) - domain_of(level, members(level - 1, parent).front());
    };
    std::stable_sort(dealing_.begin(), dealing_.end(), [&](int a, int b) {
        // Positions as fractions: i of n and 2 i of 2 n are the same one.
        const auto of = [&](int rank) { return members(lowest, domain_of(lowest, rank)).size(); };
        const std::size_t one = at(index_in(lowest, a)) * of(b);
        const std::size_t other = at(index_in(lowest, b)) * of(a);
        if (one != other) return one < other;
        for (int level = lowest; level > 0; --level) {
            if (const int x = child_in_parent(level, a), y = child_in_parent(level, b); x != y) {
                return x < y;
            }
        }
        return false;
    });
}

}  // namespace onecopy::schedule
