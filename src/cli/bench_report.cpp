#include "cli/bench_report.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "cli/bench_options.hpp"
#include "cli/bench_plot.hpp"
#include "cli/errors.hpp"
#include "cli/tool.hpp"
#include "os/fd.hpp"

namespace onecopy::cli {
namespace {

/// Three significant digits: a figure with more would pretend to a precision that no run has.
std::string short_number(double value) {
    if (value <= 0) return "0";
    const int digits = std::clamp(2 - static_cast<int>(std::floor(std::log10(value))), 0, 4);
    return fmt::format("{:.{}f}", value, digits);
}

/// As JSON keeps it: a nanosecond is enough.
double rounded(double value) { return std::round(value * 1e4) / 1e4; }

/// Whether `path` can be opened for writing; leaves an existing file as it is.
int why_not_writable(const std::string& path) {
    const bool existed = ::access(path.c_str(), F_OK) == 0;
    const os::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    if (!fd) return errno;
    if (!existed) ::unlink(path.c_str());
    return 0;
}

void write_file(std::string_view asked, const std::string& path, std::string_view text) {
    std::FILE* file = std::fopen(path.c_str(), "we");
    bool written = file != nullptr;
    if (file != nullptr) {
        written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
        written = std::fclose(file) == 0 && written;
    }
    if (!written) {
        throw Failure(
            fmt::format("{}: {}: {}; name another file", asked, path, std::strerror(errno)));
    }
}

nlohmann::ordered_json machine_json(const Machine& machine) {
    nlohmann::ordered_json caches = nlohmann::ordered_json::array();
    for (const Cache& cache : machine.caches) {
        caches.push_back({{"level", cache.level},
                          {"type", cache.type},
                          {"bytes", cache.bytes},
                          {"cores", cache.cores}});
    }
    return {{"cpu", machine.cpu},
            {"cores", machine.cores},
            {"cores_online", machine.cores_online},
            {"virtual_machine", machine.virtual_machine},
            {"caches", caches},
            {"kernel", machine.kernel},
            {"huge_pages", machine.huge_pages},
            {"libraries", machine.libraries}};
}

const char* bound_of(const Verdict& verdict) { return verdict.at_most ? "at most" : "at least"; }

nlohmann::ordered_json figure_json(const Figure& figure) {
    return {{"bench", figure.bench},      {"work", figure.work},
            {"what", figure.what},        {"unit", figure.unit},
            {"ranks", figure.ranks},      {"median", rounded(figure.median)},
            {"p99", rounded(figure.p99)}, {"worst", rounded(figure.worst)},
            {"count", figure.count}};
}

nlohmann::ordered_json row_json(const Row& row) {
    return {{"bench", row.bench},
            {"work", row.work},
            {"way", row.way},
            {"ranks", row.ranks},
            {"bytes", row.bytes},
            {"median_us", rounded(row.median_us)},
            {"p10_us", rounded(row.p10_us)},
            {"p90_us", rounded(row.p90_us)},
            {"gb_per_s", rounded(row.gb_per_s)},
            {"repetitions", row.repetitions},
            {"verified", row.verified}};
}

/// What is printed must arrive before more is measured: nobody would see the rest.
void flush(std::FILE* out) {
    if (std::fflush(out) != 0) throw std::system_error(errno, std::generic_category());
}

bool same_file(const std::string& one, const std::string& other) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    const auto whole = [&](const std::string& path) {  // of a file that need not be there yet
        return fs::weakly_canonical(fs::absolute(path, ignored), ignored);
    };
    return whole(one) == whole(other) || fs::equivalent(one, other, ignored);
}

/// One element a line: a report stays readable, and two of them can be compared by diff.
template <class Items, class ToJson>
std::string json_lines(const Items& items, ToJson&& to_json) {
    std::string text = "[";
    const char* separator = "\n    ";
    for (const auto& item : items) {
        text += separator + to_json(item).dump();
        separator = ",\n    ";
    }
    return text + (items.empty() ? "]" : "\n  ]");
}

}  // namespace

double quantile(std::span<const double> ascending, double part) noexcept {
    const double at = part * static_cast<double>(ascending.size() - 1);
    const auto below = static_cast<std::size_t>(at);
    const std::size_t above = std::min(below + 1, ascending.size() - 1);
    const double share = at - static_cast<double>(below);
    return ascending[below] + (ascending[above] - ascending[below]) * share;
}

Figure make_figure(std::string_view bench, std::string_view work, std::string_view what,
                   std::string_view unit, int ranks, std::vector<double>& samples) {
    Figure figure{
        std::string(bench), std::string(work), std::string(what), std::string(unit), ranks, 0, 0, 0,
        samples.size()};
    if (samples.empty()) return figure;
    std::sort(samples.begin(), samples.end());
    figure.median = quantile(samples, 0.5);
    figure.p99 = quantile(samples, 0.99);
    figure.worst = samples.back();
    return figure;
}

const Figure* find_figure(std::span<const Figure> figures, std::string_view work,
                          std::string_view what, int ranks) noexcept {
    const auto found = std::find_if(figures.begin(), figures.end(), [&](const Figure& figure) {
        return figure.work == work && figure.what == what && figure.ranks == ranks;
    });
    return found == figures.end() ? nullptr : &*found;
}

Row make_row(std::string_view bench, std::string_view work, std::string_view way, int ranks,
             std::uint64_t bytes, std::uint64_t moved_bytes, std::vector<double>& samples_us,
             bool verified) {
    Row row{std::string(bench), std::string(work), std::string(way), ranks, bytes, 0, 0, 0, 0,
            samples_us.size(),  verified};
    if (samples_us.empty()) return row;
    std::sort(samples_us.begin(), samples_us.end());
    row.median_us = quantile(samples_us, 0.5);
    row.p10_us = quantile(samples_us, 0.1);
    row.p90_us = quantile(samples_us, 0.9);
    if (row.median_us > 0) row.gb_per_s = static_cast<double>(moved_bytes) / row.median_us / 1e3;
    return row;
}

const Row* find_row(std::span<const Row> rows, std::string_view work, std::string_view way,
                    int ranks, std::uint64_t bytes) noexcept {
    const auto found = std::find_if(rows.begin(), rows.end(), [&](const Row& row) {
        return row.work == work && row.way == way && row.ranks == ranks && row.bytes == bytes;
    });
    return found == rows.end() ? nullptr : &*found;
}

Verdict compare(std::string name, const Row& row, const Row& rival, double limit) {
    const double value = row.median_us > 0 ? rival.median_us / row.median_us : 0;
    return {std::move(name), value, limit, value >= limit};
}

void print_rows(std::FILE* out, std::string_view heading, std::span<const Row> rows,
                std::string_view baseline) {
    print_rows(out, heading, rows, baseline, [&](const Row& row) {
        return find_row(rows, row.work, baseline, row.ranks, row.bytes);
    });
}

void print_rows(std::FILE* out, std::string_view heading, std::span<const Row> rows,
                std::string_view baseline, const std::function<const Row*(const Row&)>& base_of) {
    if (rows.empty()) return;
    std::size_t width = 4;
    for (const Row& row : rows) width = std::max(width, row.way.size());
    fmt::print(out, "\n{}\n  {:>5}  {:>9}  {:{}}  {:>10}  {:>10}  {:>10}  {:>8}  {:>{}}  {:>6}\n",
               heading, "ranks", "bytes", "way", width, "median us", "p10", "p90", "GB/s",
               "x " + std::string(baseline), baseline.size() + 2, "runs");
    const Row* before = nullptr;
    for (const Row& row : rows) {
        const bool same =
            before != nullptr && before->ranks == row.ranks && before->bytes == row.bytes;
        if (before != nullptr && !same) fmt::print(out, "\n");
        before = &row;
        const Row* base = base_of(row);
        const std::string ratio = base != nullptr && row.median_us > 0
                                      ? fmt::format("{:.2f}", base->median_us / row.median_us)
                                      : "";
        fmt::print(out, "  {:>5}  {:>9}  {:{}}  {:>10}  {:>10}  {:>10}  {:>8}  {:>{}}  {:>6}{}\n",
                   same ? "" : std::to_string(row.ranks), same ? "" : human_bytes(row.bytes),
                   row.way, width, short_number(row.median_us), short_number(row.p10_us),
                   short_number(row.p90_us), short_number(row.gb_per_s), ratio, baseline.size() + 2,
                   row.repetitions, row.verified ? "" : "  WRONG BYTES");
    }
    flush(out);
}

void print_figures(std::FILE* out, std::string_view heading, std::span<const Figure> figures) {
    if (figures.empty()) return;
    std::size_t width = 4;
    for (const Figure& figure : figures) width = std::max(width, figure.what.size());
    fmt::print(out, "\n{}\n  {:>5}  {:{}}  {:4}  {:>10}  {:>10}  {:>10}  {:>7}\n", heading, "ranks",
               "", width, "", "median", "p99", "worst", "samples");
    int ranks = 0;
    for (const Figure& figure : figures) {
        if (ranks != 0 && figure.ranks != ranks) fmt::print(out, "\n");
        fmt::print(out, "  {:>5}  {:{}}  {:4}  {:>10}  {:>10}  {:>10}  {:>7}\n",
                   figure.ranks == ranks ? "" : std::to_string(figure.ranks), figure.what, width,
                   figure.unit, short_number(figure.median), short_number(figure.p99),
                   short_number(figure.worst), figure.count);
        ranks = figure.ranks;
    }
    flush(out);
}

void print_verdicts(std::FILE* out, std::span<const Verdict> verdicts) {
    if (verdicts.empty()) return;
    std::size_t width = 0;
    for (const Verdict& verdict : verdicts) width = std::max(width, verdict.name.size());
    fmt::print(out, "\nVerdicts\n  {:{}}  {:>8}  {:>17}\n", "", width, "measured", "limit");
    for (const Verdict& verdict : verdicts) {
        fmt::print(out, "  {:{}}  {:>8.3f}  {:>8} {:>8.3f}  {}\n", verdict.name, width,
                   verdict.value, bound_of(verdict), verdict.limit, verdict.ok ? "yes" : "no");
    }
}

void print_caption(std::FILE* out, const Report& report) {
    fmt::print(out, "\nMeasured on {}.\n", describe(report.machine));
    for (const std::string& note : report.notes) fmt::print(out, "- {}\n", note);
}

std::string to_json(const Report& report) {
    const std::string figures =
        report.figures.empty()
            ? std::string()
            : fmt::format("  \"figures\": {},\n", json_lines(report.figures, figure_json));
    return fmt::format(
        "{{\n  \"machine\": {},\n  \"rows\": {},\n{}  \"verdicts\": {},\n  \"notes\": {}\n}}\n",
        machine_json(report.machine).dump(), json_lines(report.rows, row_json), figures,
        json_lines(report.verdicts,
                   [](const Verdict& verdict) -> nlohmann::ordered_json {
                       return {{"name", verdict.name},
                               {"value", rounded(verdict.value)},
                               {"limit", verdict.limit},
                               {"bound", bound_of(verdict)},
                               {"ok", verdict.ok}};
                   }),
        json_lines(report.notes, [](const std::string& note) { return nlohmann::json(note); }));
}

void ReportFiles::add_json_option(CLI::App& app) {
    app.add_option("--json", json, "Write the figures as JSON into this file")
        ->check(names_a_file())
        ->type_name("FILE");
}

void ReportFiles::add_options(CLI::App& app) {
    add_json_option(app);
    app.add_option("--plot", plot, "Draw GB/s over size into this SVG file (needs gnuplot)")
        ->check(names_a_file())
        ->type_name("FILE.svg");
}

void ReportFiles::check(std::string_view asked) const {
    if (!json.empty() && !plot.empty() && same_file(json, plot)) {
        throw WrongInput(fmt::format("{}: --json {} --plot {}: one file cannot be both; name two",
                                     asked, json, plot));
    }
    for (const auto& [option, path] : {std::pair("--json", &json), std::pair("--plot", &plot)}) {
        if (path->empty()) continue;
        if (const int error = why_not_writable(*path)) {
            throw WrongInput(fmt::format("{}: {} {}: {}; name a file that can be written", asked,
                                         option, *path, std::strerror(error)));
        }
    }
    if (!plot.empty() && !gnuplot_found()) {
        throw WrongInput(
            fmt::format("{}: --plot {}: gnuplot is not installed; install it "
                        "(Debian: gnuplot-nox) or leave --plot out",
                        asked, plot));
    }
}

void finish_report(std::FILE* out, std::string_view asked, const Report& report,
                   const ReportFiles& files) {
    print_verdicts(out, report.verdicts);
    print_caption(out, report);
    flush(out);
    if (report.rows.empty() && report.figures.empty() && report.failures.empty()) {
        throw Failure(fmt::format(
            "{}: nothing was measured: none of these ways is here and does any of these works at "
            "these sizes; the lines above say what was left out, `onecopy {} --help` what there is",
            asked, asked));
    }
    if (!files.json.empty()) write_file(asked, files.json, to_json(report));
    if (!files.plot.empty()) write_plot(asked, files.plot, report);
    if (!report.failures.empty()) {
        throw Failure(fmt::format("{}: {}", asked, report.failures.front()));
    }
    const auto wrong = std::find_if(report.rows.begin(), report.rows.end(),
                                    [](const Row& row) { return !row.verified; });
    if (wrong == report.rows.end()) return;
    throw Failure(
        fmt::format("{}: {} of {} by {} with {} ranks: wrong bytes arrived; do not trust "
                    "this way on this machine, and report it",
                    asked, wrong->work, human_bytes(wrong->bytes), wrong->way, wrong->ranks));
}

}  // namespace onecopy::cli
