#include "cli/bench_plot.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "cli/bench_options.hpp"
#include "cli/errors.hpp"
#include "cli/inherited.hpp"
#include "os/fd.hpp"

namespace onecopy::cli {
namespace {

/// Colours that people with any kind of colour vision can tell apart, onecopy's the strongest.
/// Source: Okabe and Ito, "Color Universal Design" (2008).
constexpr std::array<const char*, 7> colours = {"#0072B2", "#E69F00", "#009E73", "#CC79A7",
                                                "#56B4E9", "#8C6D31", "#000000"};
constexpr std::string_view own_way = "onecopy";
constexpr const char* own_colour = "#D55E00";

/// A string as gnuplot takes it literally.
std::string gnuplot_string(std::string_view text) {
    std::string result = "'";
    for (const char letter : text) {
        result += letter;
        if (letter == '\'') result += letter;
    }
    return result + "'";
}

std::vector<std::string> distinct(const std::vector<Row>& rows, std::string Row::*field) {
    std::vector<std::string> values;
    for (const Row& row : rows) {
        if (std::find(values.begin(), values.end(), row.*field) == values.end()) {
            values.push_back(row.*field);
        }
    }
    return values;
}

/// The colour and point of a way are the same in every panel.
struct Style {
    Style(const std::vector<std::string>& ways, const std::string& way) {
        if (way == own_way) {
            line = fmt::format("lc rgb '{}' lw 3", own_colour);
            point = "pt 7 ps 0.6";
            return;
        }
        const auto index =
            static_cast<std::size_t>(std::find(ways.begin(), ways.end(), way) - ways.begin());
        constexpr std::array<int, 6> points = {4, 6, 8, 10, 12, 2};
        line = fmt::format("lc rgb '{}' lw 1.5", colours[index % colours.size()]);
        point = fmt::format("pt {} ps 0.6", points[index % points.size()]);
    }

    std::string line, point;
};

/// Where what is, in pixels. The key of all panels stands between the picture's title and the first
/// of them: over the lines of a panel it would hide some.
struct Sheet {
    static constexpr std::size_t panel_width = 560, panel_height = 400, title = 40;
    static constexpr std::size_t key_row_height = 20;

    Sheet(std::size_t panels, std::size_t panels_across, const std::vector<std::string>& ways)
        : columns(panels_across),
          lines((panels + columns - 1) / columns),
          width(columns * panel_width),
          key_entry_width(key_width_of(ways)),
          key_columns(std::clamp<std::size_t>(width / key_entry_width, 1, ways.size())),
          key_height((ways.size() + key_columns - 1) / key_columns * key_row_height),
          height(lines * panel_height + title + key_height) {}

    /// As gnuplot counts: parts of the whole, from the left and from the bottom.
    [[nodiscard]] double across(std::size_t pixels) const {
        return static_cast<double>(pixels) / static_cast<double>(width);
    }
    [[nodiscard]] double up(std::size_t pixels) const {
        return static_cast<double>(pixels) / static_cast<double>(height);
    }

    /// gnuplot's own key would be no wider than a panel.
    [[nodiscard]] std::string key(const std::vector<std::string>& ways) const {
        const std::size_t left = (width - key_columns * key_entry_width) / 2;
        std::string script;
        for (std::size_t i = 0; i < ways.size(); ++i) {
            const Style style(ways, ways[i]);
            const std::size_t x = left + i % key_columns * key_entry_width;
            const double y = 1 - up(title + i / key_columns * key_row_height + key_row_height / 2);
            script += fmt::format(
                "set arrow from screen {0:.4f},{1:.4f} to screen {2:.4f},{1:.4f} nohead {3}\n"
                "set label '' at screen {4:.4f},{1:.4f} point {3} {5}\n"
                "set label {6} at screen {7:.4f},{1:.4f} left noenhanced\n",
                across(x), y, across(x + sample), style.line, across(x + sample / 2), style.point,
                gnuplot_string(ways[i]), across(x + sample + gap));
        }
        return script;
    }

    std::size_t columns, lines, width, key_entry_width, key_columns, key_height, height;

private:
    static constexpr std::size_t sample = 28, gap = 6;

    static std::size_t key_width_of(const std::vector<std::string>& ways) {
        constexpr std::size_t letter = 7, to_the_next = 20;
        std::size_t letters = 0;
        for (const std::string& way : ways) letters = std::max(letters, way.size());
        return sample + gap + letters * letter + to_the_next;
    }
};

/// What is drawn together: a work of so many ranks.
struct Panel {
    std::string work;
    int ranks = 0;

    bool operator==(const Panel&) const = default;
};

Panel panel_of(const Row& row) { return {row.work, row.ranks}; }

/// Those of a work beside each other, in the order in which they were measured.
std::vector<Panel> panels_of(const Report& report) {
    std::vector<Panel> panels;
    for (const std::string& work : distinct(report.rows, &Row::work)) {
        for (const Row& row : report.rows) {
            const Panel panel = panel_of(row);
            if (row.work == work && std::find(panels.begin(), panels.end(), panel) == panels.end())
                panels.push_back(panel);
        }
    }
    return panels;
}

/// A work a line where each has as many panels, and few; else two.
std::size_t across(const std::vector<Panel>& panels, std::size_t works) {
    constexpr std::size_t most = 4;
    const std::size_t each = panels.size() / works;
    bool alike = each > 1 && each <= most && panels.size() % works == 0;
    for (std::size_t i = 0; alike && i < panels.size(); ++i) {
        alike = panels[i].work == panels[i / each * each].work;
    }
    if (alike) return each;
    return panels.size() > 1 ? 2 : 1;
}

std::string draw(const Panel& panel, const Report& report, const std::vector<std::string>& ways) {
    std::string data;
    std::string lines;
    for (const std::string& way : ways) {
        std::string points;
        for (const Row& row : report.rows) {
            if (row.way == way && panel_of(row) == panel) {
                points += fmt::format("{} {:.6g}\n", row.bytes, row.gb_per_s);
            }
        }
        if (points.empty()) continue;
        const std::string block = fmt::format("$w{}", data.size());
        data += fmt::format("{} << EOD\n{}EOD\n", block, points);
        const Style style(ways, way);
        lines +=
            fmt::format("{}{} using 1:2 with linespoints {} {}",
                        lines.empty() ? "plot " : ", \\\n     ", block, style.line, style.point);
    }
    return fmt::format("{}set title {} offset 0,-0.4\n{}\n", data,
                       gnuplot_string(fmt::format("{}, {} process{}", panel.work, panel.ranks,
                                                  panel.ranks == 1 ? "" : "es")),
                       lines);
}

}  // namespace

bool gnuplot_found() {
    const char* path = std::getenv("PATH");
    std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;
    for (;;) {
        const std::size_t colon = rest.find(':');
        if (::access(fmt::format("{}/gnuplot", rest.substr(0, colon)).c_str(), X_OK) == 0) {
            return true;
        }
        if (colon == std::string_view::npos) return false;
        rest.remove_prefix(colon + 1);
    }
}

std::string plot_script(const Report& whole, const std::string& path) {
    // What has no speed or no size (a fork) has no place on these axes.
    Report report = whole;
    std::erase_if(report.rows, [](const Row& row) { return row.bytes == 0 || row.gb_per_s <= 0; });
    const std::vector<Panel> panels = panels_of(report);
    std::vector<std::string> ways = distinct(report.rows, &Row::way);
    // Drawn first: its thick line leaves those on top of it visible.
    std::stable_partition(ways.begin(), ways.end(),
                          [](const std::string& way) { return way == own_way; });
    if (panels.empty()) return {};
    const std::size_t works = distinct(report.rows, &Row::work).size();
    const Sheet sheet(panels.size(), across(panels, works), ways);
    std::uint64_t least = UINT64_MAX;
    std::uint64_t most = 1;
    double slowest = 1;
    double fastest = 1;
    for (const Row& row : report.rows) {
        least = std::min(least, row.bytes);
        most = std::max(most, row.bytes);
        if (row.gb_per_s > 0) slowest = std::min(slowest, row.gb_per_s);
        fastest = std::max(fastest, row.gb_per_s);
    }
    std::string ticks;
    const std::uint64_t step = most / least >= 64 ? 8 : 2;
    for (std::uint64_t at = 8; at <= most; at *= step) {
        if (at >= least)
            ticks += fmt::format("{}'{}' {}", ticks.empty() ? "" : ", ", human_bytes(at), at);
    }
    std::string script = fmt::format(
        "set terminal svg size {},{} font 'DejaVu Sans,11' background rgb 'white'\n"
        "set output {}\n"
        "set encoding utf8\n"
        "set logscale xy\n"
        "set xrange [{}:{}]\nset yrange [{:.3g}:{:.3g}]\n"
        "set xtics ({}) nomirror\nset ytics nomirror format '%g'\n"
        "set grid xtics ytics lc rgb '#dddddd' lt 1\n"
        "set border 3 lc rgb '#666666'\n"
        "set xlabel 'message'\nset ylabel 'GB/s'\n"
        "set multiplot layout {},{} title {} font ',13' noenhanced "
        "margins screen {:.4f},{:.4f},{:.4f},{:.4f} spacing screen {:.4f},{:.4f}\n"
        "set title noenhanced\nunset key\n",
        sheet.width, sheet.height, gnuplot_string(path), static_cast<double>(least) / 1.5,
        static_cast<double>(most) * 1.5, slowest / 1.5, fastest * 2, ticks, sheet.lines,
        sheet.columns,
        gnuplot_string(fmt::format("{}: {}, Linux {}", report.title, report.machine.cpu,
                                   report.machine.kernel)),
        sheet.across(80), 1 - sheet.across(24), sheet.up(62),
        1 - sheet.up(Sheet::title + sheet.key_height + 30), sheet.across(104), sheet.up(100));
    script += sheet.key(ways);
    for (const Panel& panel : panels) {
        script += draw(panel, report, ways) + "unset label\nunset arrow\n";
    }
    return script + "unset multiplot\n";
}

void write_plot(std::string_view asked, const std::string& path, const Report& report) {
    const std::string script = plot_script(report, path);
    if (script.empty()) {
        throw Failure(
            fmt::format("{}: --plot {}: nothing of this has a size and a speed, as a "
                        "barrier has none; leave --plot out",
                        asked, path));
    }
    std::FILE* file = std::tmpfile();
    if (file == nullptr || std::fwrite(script.data(), 1, script.size(), file) != script.size() ||
        std::fflush(file) != 0) {
        const int error = errno;
        if (file != nullptr) std::fclose(file);
        throw Failure(fmt::format("{}: --plot {}: no temporary file: {}; make room in /tmp", asked,
                                  path, std::strerror(error)));
    }
    std::rewind(file);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ::fileno(file), 0);
    // What it has to say comes over several lines, and the drawing itself where it has no file.
    for (const int fd : {1, 2}) {
        ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0);
    }
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    const sigset_t to_default = ignored_by_us();
    ::posix_spawnattr_setsigdefault(&attributes, &to_default);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    std::string name = "gnuplot";
    std::array<char*, 2> arguments = {name.data(), nullptr};
    pid_t pid = 0;
    const int error =
        ::posix_spawnp(&pid, name.c_str(), &actions, &attributes, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    std::fclose(file);
    int status = -1;
    if (error == 0) {
        while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    if (status != 0) {
        throw Failure(fmt::format(
            "{}: --plot {}: gnuplot did not draw it{}{}; name another file, or "
            "leave --plot out",
            asked, path, error != 0 ? ": " : "", error != 0 ? std::strerror(error) : ""));
    }
}

}  // namespace onecopy::cli
