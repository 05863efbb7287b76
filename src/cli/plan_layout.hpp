// Where the boxes of the machine are in a picture of `onecopy plan`: ranks in L3s, in NUMA nodes,
// in packages.
#pragma once

#include <array>
#include <vector>

#include "cli/plan_figures.hpp"

namespace onecopy::cli {

struct Rect {
    double x = 0, y = 0, width = 0, height = 0;

    [[nodiscard]] double center_x() const { return x + width / 2; }
    [[nodiscard]] double center_y() const { return y + height / 2; }
};

class PlanLayout {
public:
    using Link = schedule::Link;

    /// `spacious`: with room for arrows between the ranks of an L3.
    PlanLayout(const PlanGroups& groups, int ranks, bool spacious);

    [[nodiscard]] const Rect& box(Link link, int group) const {
        return boxes_[static_cast<std::size_t>(link)][static_cast<std::size_t>(group)];
    }
    [[nodiscard]] const Rect& size() const noexcept { return size_; }
    /// Whether the boxes of a kind are drawn: not where the next larger ones hold one each.
    [[nodiscard]] bool drawn(Link link) const;

    static constexpr std::array kinds = {Link::l3, Link::numa, Link::package, Link::machine};

private:
    std::vector<Rect>& boxes(Link link) { return boxes_[static_cast<std::size_t>(link)]; }
    /// Of the next smaller kind.
    std::vector<Rect>& boxes_in(int kind) { return boxes(static_cast<Link>(kind - 1)); }
    [[nodiscard]] std::vector<int> children(int kind, int group) const;
    [[nodiscard]] double room(int kind) const;
    [[nodiscard]] double gap(int kind) const;
    [[nodiscard]] Rect largest_in(int kind, const std::vector<int>& inside);
    Rect place_children(int kind, int group);
    void move_children(int kind, int group, double x, double y);

    const PlanGroups& groups_;
    int ranks_;
    bool spacious_;
    std::array<std::vector<Rect>, 5> boxes_;
    Rect size_;
};

}  // namespace onecopy::cli
