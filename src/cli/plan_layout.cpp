#include "cli/plan_layout.hpp"

#include <algorithm>
#include <cmath>

namespace onecopy::cli {
namespace {

using schedule::Link;

constexpr int ranks_kind = static_cast<int>(Link::l3);
constexpr int l3_kind = static_cast<int>(Link::numa);
constexpr int package_kind = static_cast<int>(Link::machine);
constexpr int machine_kind = package_kind + 1;

/// Full rows, where they are not much wider than high.
double columns_of(double count) {
    if (count <= 3) return count;
    const double square = std::ceil(std::sqrt(count));
    for (double columns = square; columns <= 2 * square; ++columns) {
        if (std::fmod(count, columns) == 0) return columns;
    }
    return square;
}

}  // namespace

PlanLayout::PlanLayout(const PlanGroups& groups, int ranks, bool spacious)
    : groups_(groups), ranks_(ranks), spacious_(spacious) {
    for (const Link link : kinds) boxes(link).resize(static_cast<std::size_t>(groups.count(link)));
    size_ = place_children(machine_kind, 0);
    move_children(machine_kind, 0, 0, 0);
}

bool PlanLayout::drawn(Link link) const {
    return link == Link::numa ||
           groups_.count(link) != groups_.count(static_cast<Link>(static_cast<int>(link) - 1));
}

/// The groups of the next smaller kind in one.
std::vector<int> PlanLayout::children(int kind, int group) const {
    std::vector<int> found;
    const auto smaller = static_cast<Link>(kind - 1);
    for (int rank = 0; rank < ranks_; ++rank) {
        if (kind == machine_kind || groups_.of(static_cast<Link>(kind), rank) == group) {
            found.push_back(groups_.of(smaller, rank));
        }
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

/// How much is left around what is inside: room for arrows, as the gaps are.
double PlanLayout::room(int kind) const {
    if (kind == l3_kind) return spacious_ ? 20 : 7;  // around ranks
    if (kind == machine_kind) return 22;
    return drawn(static_cast<Link>(kind)) ? 16 : 0;
}
/// And between it.
double PlanLayout::gap(int kind) const {
    if (kind == l3_kind) return spacious_ ? 44 : 5;
    return kind == machine_kind ? 58 : kind == package_kind ? 48 : 42;
}

/// As wide and as high as any of them.
Rect PlanLayout::largest_in(int kind, const std::vector<int>& inside) {
    Rect largest;
    for (const int child : inside) {
        const Rect& box = boxes_in(kind)[static_cast<std::size_t>(child)];
        largest.width = std::max(largest.width, box.width);
        largest.height = std::max(largest.height, box.height);
    }
    return largest;
}

/// Sizes: children stand in a grid, a bit wider than high.
Rect PlanLayout::place_children(int kind, int group) {
    if (kind == ranks_kind) return {0, 0, spacious_ ? 14.0 : 6.0, spacious_ ? 14.0 : 6.0};
    const std::vector<int> inside = children(kind, group);
    for (const int child : inside) {
        boxes_in(kind)[static_cast<std::size_t>(child)] = place_children(kind - 1, child);
    }
    const Rect largest = largest_in(kind, inside);
    const auto count = static_cast<double>(inside.size());
    const double columns = columns_of(count);
    const double rows = std::ceil(count / columns);
    return {0, 0, 2 * room(kind) + columns * largest.width + (columns - 1) * gap(kind),
            2 * room(kind) + rows * largest.height + (rows - 1) * gap(kind)};
}

void PlanLayout::move_children(int kind, int group, double x, double y) {
    if (kind == ranks_kind) return;
    const std::vector<int> inside = children(kind, group);
    const Rect largest = largest_in(kind, inside);
    const auto columns = static_cast<std::size_t>(columns_of(static_cast<double>(inside.size())));
    for (std::size_t i = 0; i < inside.size(); ++i) {
        Rect& box = boxes_in(kind)[static_cast<std::size_t>(inside[i])];
        box.x = x + room(kind) + static_cast<double>(i % columns) * (largest.width + gap(kind));
        box.y = y + room(kind) + static_cast<double>(i / columns) * (largest.height + gap(kind));
        move_children(kind - 1, inside[i], box.x, box.y);
    }
}

}  // namespace onecopy::cli
