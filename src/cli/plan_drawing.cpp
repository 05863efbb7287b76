#include "cli/plan_drawing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/arguments.hpp"
#include "cli/plan_layout.hpp"

namespace onecopy::cli {
namespace {

using schedule::Link;

constexpr std::size_t most_panels = 12;
constexpr int few_ranks = 16;  // so many have arrows between each other
constexpr double margin = 24, gap_of_panels = 22;
constexpr double letter_width = 6.9;  // of 12 pixels' height, on average

/// Colours that people with any kind of colour vision can tell apart.
/// Source: Okabe and Ito, "Color Universal Design" (2008).
constexpr std::string_view colour_of(Link link) {
    switch (link) {
        case Link::numa:
            return "#0072B2";
        case Link::package:
            return "#E69F00";
        case Link::machine:
            return "#D55E00";
        default:
            return "#009E73";
    }
}
constexpr std::string_view words_for(Link link) {
    switch (link) {
        case Link::numa:
            return "between L3s";
        case Link::package:
            return "between NUMA nodes";
        case Link::machine:
            return "between packages";
        default:
            return "inside an L3";
    }
}

std::string escaped(std::string_view text) {
    std::string out;
    for (const char letter : text) {
        switch (letter) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                // Control characters are not allowed in XML.
                out += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
        }
    }
    return out;
}

/// At blanks, where there are some; else wherever the line is full.
std::vector<std::string> lines_of(std::string_view text, std::size_t most_letters) {
    std::vector<std::string> lines;
    while (text.size() > most_letters) {
        std::size_t cut = text.rfind(' ', most_letters);
        if (cut == text.npos || cut == 0) cut = most_letters;
        lines.emplace_back(text.substr(0, cut));
        text.remove_prefix(cut + (text[cut] == ' ' ? 1 : 0));
    }
    lines.emplace_back(text);
    return lines;
}

/// Where the straight line from the centre of `box` towards (x, y) leaves it.
std::pair<double, double> edge_towards(const Rect& box, double x, double y) {
    const double dx = x - box.center_x(), dy = y - box.center_y();
    const double along_x = dx == 0 ? 1e9 : box.width / 2 / std::abs(dx);
    const double along_y = dy == 0 ? 1e9 : box.height / 2 / std::abs(dy);
    const double part = std::min(along_x, along_y);
    return {box.center_x() + dx * part, box.center_y() + dy * part};
}

class Drawing {
public:
    Drawing(const Plan& plan, const PlanFigures& figures)
        : plan_(plan),
          figures_(figures),
          layout_(plan.groups, plan.call.ranks, ranks_have_arrows()) {
        for (const PlanPhases& phase : figures.by_phase) {
            for (const auto& [flow, bytes] : phase.flows) most_ = std::max(most_, bytes);
            for (const std::uint64_t bytes : inside_l3s(phase)) {
                most_inside_ = std::max(most_inside_, bytes);
            }
        }
    }

    std::string text() {
        const std::size_t panels = std::min(figures_.by_phase.size(), most_panels);
        const double panel_width = std::max(layout_.size().width, 250.0);
        const double panel_height = layout_.size().height + 52;
        const auto fit = static_cast<std::size_t>(
            std::max(1.0, std::floor(2000 / (panel_width + gap_of_panels))));
        const std::size_t pleasing = panels <= 4 ? 2 : panels % 4 == 0 ? 4 : 3;
        const std::size_t columns = std::max<std::size_t>(1, std::min({panels, fit, pleasing}));
        const std::size_t rows = std::max<std::size_t>(1, (panels + columns - 1) / columns);
        const double width =
            std::max(2 * margin + static_cast<double>(columns) * (panel_width + gap_of_panels) -
                         gap_of_panels,
                     760.0);
        const std::vector<std::string> places = lines_of(
            plan_places(plan_), static_cast<std::size_t>((width - 2 * margin) / letter_width));
        const double below_places = 16 * static_cast<double>(places.size() - 1);
        const double head = 96 + below_places;
        const double height = head + static_cast<double>(rows) * (panel_height + gap_of_panels) + 8;

        out_ = fmt::format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
            "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"DejaVu Sans, Helvetica, Arial, "
            "sans-serif\">\n",
            width, height);
        markers();
        out_ += fmt::format("<rect width=\"{:.0f}\" height=\"{:.0f}\" fill=\"#ffffff\"/>\n", width,
                            height);
        words(margin, 32, 18, "#111111",
              fmt::format("{}, by {}", plan_title(plan_.call), name_of(figures_.form)), true);
        for (std::size_t i = 0; i < places.size(); ++i) {
            words(margin, 52 + 16 * static_cast<double>(i), 12, "#555555", places[i]);
        }
        legend(76 + below_places);
        if (panels == 0) words(margin, head + 24, 13, "#111111", "nothing is moved");
        for (std::size_t i = 0; i < panels; ++i) {
            panel(figures_.by_phase[i],
                  margin + static_cast<double>(i % columns) * (panel_width + gap_of_panels),
                  head + static_cast<double>(i / columns) * (panel_height + gap_of_panels),
                  panel_width, panel_height, i + 1 == panels);
        }
        return out_ + "</svg>\n";
    }

private:
    void words(double x, double y, int size, std::string_view colour, std::string_view text,
               bool bold = false) {
        out_ += fmt::format(
            "<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{}\" fill=\"{}\"{}>{}</text>\n", x, y,
            size, colour, bold ? " font-weight=\"bold\"" : "", escaped(text));
    }

    /// A tip for each kind of arrow; its size does not follow the width.
    void markers() {
        out_ += "<defs>\n";
        for (const Link link : PlanLayout::kinds) {
            out_ += fmt::format(
                "<marker id=\"tip{}\" viewBox=\"0 0 10 10\" refX=\"7\" refY=\"5\" "
                "markerWidth=\"{}\" markerHeight=\"{}\" markerUnits=\"userSpaceOnUse\" "
                "orient=\"auto\"><path d=\"M0,0 L10,5 L0,10 z\" fill=\"{}\"/></marker>\n",
                static_cast<int>(link), tip_of(link), tip_of(link), colour_of(link));
        }
        out_ += "</defs>\n";
    }
    static int tip_of(Link link) { return link == Link::l3 ? 7 : 12; }

    void legend(double y) {
        double x = margin;
        for (const Link link : PlanLayout::kinds) {
            if (figures_.traffic.over(link) == 0) continue;
            out_ += fmt::format(
                "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"18\" height=\"6\" fill=\"{}\"/>\n", x,
                y - 7, colour_of(link));
            const std::string text =
                fmt::format("{} {}", bytes_text(figures_.traffic.over(link)), words_for(link));
            words(x + 24, y, 12, "#333333", text);
            x += 24 + letter_width * static_cast<double>(text.size()) + 24;
        }
    }

    [[nodiscard]] bool ranks_have_arrows() const { return plan_.call.ranks <= few_ranks; }

    /// Bytes that ranks of an L3 move between each other, by L3.
    [[nodiscard]] std::vector<std::uint64_t> inside_l3s(const PlanPhases& phase) const {
        std::vector<std::uint64_t> bytes(static_cast<std::size_t>(plan_.groups.count(Link::numa)));
        for (const auto& [flow, moved] : phase.flows) {
            const auto& [link, from, to] = flow;
            if (link == Link::l3) bytes[static_cast<std::size_t>(l3_of(from))] += moved;
        }
        return bytes;
    }
    /// The L3 of a rank that is numbered as PlanGroups does.
    [[nodiscard]] int l3_of(int position) const {
        return plan_.groups.of(Link::numa, rank_at(position));
    }
    [[nodiscard]] int rank_at(int position) const {
        return plan_.call.domains->members(0, 0)[static_cast<std::size_t>(position)];
    }

    void panel(const PlanPhases& phase, double x, double y, double width, double height,
               bool last_one) {
        out_ += fmt::format("<g transform=\"translate({:.1f},{:.1f})\">\n", x, y);
        out_ += fmt::format(
            "<rect width=\"{:.1f}\" height=\"{:.1f}\" rx=\"6\" fill=\"#fafafa\" "
            "stroke=\"#dddddd\"/>\n",
            width, height);
        std::string title = phase.first == phase.last
                                ? fmt::format("phase {}", phase.first)
                                : fmt::format("phases {} to {}, each", phase.first, phase.last);
        if (last_one && figures_.by_phase.size() > most_panels) {
            title += fmt::format(", and so on to {}", figures_.phases);
        }
        words(12, 20, 13, "#111111", title, true);
        words(
            12, 37, 11, "#555555",
            fmt::format("{} rank{} at work, {} between ranks", phase.ranks,
                        phase.ranks == 1 ? "" : "s", bytes_text(phase.traffic.at_least(Link::l3))));
        out_ += fmt::format("<g transform=\"translate({:.1f},44)\">\n",
                            (width - layout_.size().width) / 2);
        boxes(phase);
        arrows(phase);
        dots();
        out_ += "</g>\n</g>\n";
    }

    void boxes(const PlanPhases& phase) {
        const std::vector<std::uint64_t> inside = inside_l3s(phase);
        for (const Link link : {Link::machine, Link::package, Link::numa}) {
            if (!layout_.drawn(link)) continue;
            for (int i = 0; i < plan_.groups.count(link); ++i) {
                const Rect& box = layout_.box(link, i);
                std::string fill = link == Link::machine   ? "fill=\"#f0f0f0\""
                                   : link == Link::package ? "fill=\"#f8f8f8\""
                                                           : "fill=\"#ffffff\"";
                out_ += rectangle(box, fill + " stroke=\"#888888\"");
                const std::uint64_t bytes =
                    link == Link::numa ? inside[static_cast<std::size_t>(i)] : 0;
                if (bytes > 0 && !ranks_have_arrows()) {
                    const double share =
                        static_cast<double>(bytes) / static_cast<double>(most_inside_);
                    out_ += rectangle(box, fmt::format("fill=\"{}\" fill-opacity=\"{:.2f}\"",
                                                       colour_of(Link::l3), 0.08 + 0.5 * share));
                }
            }
        }
    }
    static std::string rectangle(const Rect& box, const std::string& paint) {
        return fmt::format(
            "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"3\" {}/>\n",
            box.x, box.y, box.width, box.height, paint);
    }

    void dots() {
        const bool large = ranks_have_arrows();
        for (int i = 0; i < plan_.call.ranks; ++i) {
            const Rect& box = layout_.box(Link::l3, i);
            out_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"{}\"/>\n",
                                box.center_x(), box.center_y(), box.width / 2,
                                large ? "#333333" : "#444444");
            if (!large) continue;
            out_ += fmt::format(
                "<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"8\" fill=\"#ffffff\" "
                "text-anchor=\"middle\">{}</text>\n",
                box.center_x(), box.center_y() + 3, rank_at(i));
        }
    }

    void arrows(const PlanPhases& phase) {
        // Thin ones above wide ones.
        std::vector<std::pair<std::uint64_t, Flow>> all;
        for (const auto& [flow, bytes] : phase.flows) {
            if (std::get<0>(flow) == Link::l3 && !ranks_have_arrows()) continue;
            all.emplace_back(bytes, flow);
        }
        std::stable_sort(all.begin(), all.end(),
                         [](const auto& a, const auto& b) { return a.first > b.first; });
        for (const auto& [bytes, flow] : all) arrow(flow, bytes);
    }

    /// A curve, so that there and back, and others on the way, remain apart.
    void arrow(const Flow& flow, std::uint64_t bytes) {
        const auto& [link, from, to] = flow;
        const Rect &one = layout_.box(link, from), &other = layout_.box(link, to);
        const double dx = other.center_x() - one.center_x(), dy = other.center_y() - one.center_y();
        const double length = std::max(1.0, std::hypot(dx, dy));
        const double bend = 8 + 0.1 * length;
        const double mid_x = (one.center_x() + other.center_x()) / 2 - dy / length * bend;
        const double mid_y = (one.center_y() + other.center_y()) / 2 + dx / length * bend;
        const auto [x1, y1] = edge_towards(one, mid_x, mid_y);
        const auto [x2, y2] = edge_towards(other, mid_x, mid_y);
        const double share = std::sqrt(static_cast<double>(bytes) / static_cast<double>(most_));
        out_ += fmt::format(
            "<path d=\"M{:.1f},{:.1f} Q{:.1f},{:.1f} {:.1f},{:.1f}\" fill=\"none\" stroke=\"{}\" "
            "stroke-width=\"{:.2f}\" stroke-opacity=\"0.75\" marker-end=\"url(#tip{})\"/>\n",
            x1, y1, mid_x, mid_y, x2, y2, colour_of(link),
            0.6 + (link == Link::l3 ? 1.6 : 4.4) * share, static_cast<int>(link));
    }

    const Plan& plan_;
    const PlanFigures& figures_;
    PlanLayout layout_;
    std::uint64_t most_ = 1, most_inside_ = 1;
    std::string out_;
};

}  // namespace

std::string plan_drawing(const Plan& plan, const PlanFigures& figures) {
    return Drawing(plan, figures).text();
}

}  // namespace onecopy::cli
