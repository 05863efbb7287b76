// What every `onecopy bench` reports, and how: a table for people, JSON for scripts.
//
// All benches write the same JSON, so that runs of different machines and days can be compared:
//   {"machine": {...}, "rows": [{"bench", "work", "way", "ranks", "bytes", "median_us", "p10_us",
//    "p90_us", "gb_per_s", "repetitions", "verified"}, ...], "verdicts": [{"name", "value",
//    "limit", "bound", "ok"}, ...], "notes": ["what the figures do not say", ...]}
// and, where something else than messages was measured, "figures" (see Figure).
// A new bench fills a Report and calls finish_report(); docs/bench.md describes the fields.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/bench_machine.hpp"

namespace onecopy::cli {

/// One measured combination.
struct Row {
    std::string bench;        // "transfer", "mpi", ...
    std::string work;         // what was to be done: "read", "allreduce"
    std::string way;          // by which means: "memcpy", "onecopy"
    int ranks = 0;            // processes that took part
    std::uint64_t bytes = 0;  // of one message of one rank
    double median_us = 0;     // of the time that the operation took
    double p10_us = 0;        // one in ten was faster
    double p90_us = 0;        // one in ten was slower
    double gb_per_s = 0;      // 10^9 payload bytes a second, of all messages of one operation
    std::uint64_t repetitions = 0;
    bool verified = false;  // every repetition delivered the right bytes
};

/// A statement about the rows, and whether it holds. Never changes an exit status.
struct Verdict {
    std::string name;  // the statement, in words: "read of 4 KiB: onecopy reaches process_vm"
    double value = 0;  // what was measured
    double limit = 0;  // the statement holds from here
    bool ok = false;
    bool at_most = false;  // or up to here
};

/// Something measured that is no message: how it is distributed.
struct Figure {
    std::string bench;  // as in Row
    std::string work;
    std::string what;  // "heap", "time to the error"
    std::string unit;  // "KiB", "ms"
    int ranks = 0;
    double median = 0;
    double p99 = 0;  // one in a hundred was more
    double worst = 0;
    std::uint64_t count = 0;  // of samples
};

struct Report {
    std::string title;  // above the plot: "onecopy bench transfer"
    Machine machine;
    std::vector<Row> rows;
    std::vector<Figure> figures;
    std::vector<Verdict> verdicts;
    std::vector<std::string> notes;     // cache state, what was not measured, which way was refused
    std::vector<std::string> failures;  // what must not be, as a user is told; one fails the bench
};

/// Between the neighbours of an ascending row, so that the median of an even count is the usual
/// one. `part`: 0 the first, 1 the last; there is one at least.
double quantile(std::span<const double> ascending, double part) noexcept;

/// A figure from its samples, which are sorted in place.
Figure make_figure(std::string_view bench, std::string_view work, std::string_view what,
                   std::string_view unit, int ranks, std::vector<double>& samples);

/// The figure of that work, name and number of ranks, or null.
const Figure* find_figure(std::span<const Figure> figures, std::string_view work,
                          std::string_view what, int ranks) noexcept;

/// A row from its repetitions. `samples_us` is sorted in place; `moved_bytes` is the payload of one
/// whole operation (of all ranks together), from which gb_per_s is made.
Row make_row(std::string_view bench, std::string_view work, std::string_view way, int ranks,
             std::uint64_t bytes, std::uint64_t moved_bytes, std::vector<double>& samples_us,
             bool verified);

/// The row of that combination, or null.
const Row* find_row(std::span<const Row> rows, std::string_view work, std::string_view way,
                    int ranks, std::uint64_t bytes) noexcept;

/// A verdict on two rows by the ratio of their medians: how many times as fast `row` is as `rival`.
Verdict compare(std::string name, const Row& row, const Row& rival, double limit);

/// Prints rows of one work as a table, grouped by ranks and bytes in the order in which they stand,
/// with the speed of each as a multiple of `baseline`'s at the same ranks and bytes (left empty
/// where there is none).
void print_rows(std::FILE* out, std::string_view heading, std::span<const Row> rows,
                std::string_view baseline);

/// The same with the speed as a multiple of that of the row that `base_of` finds (null: none),
/// under the title "x `baseline`".
void print_rows(std::FILE* out, std::string_view heading, std::span<const Row> rows,
                std::string_view baseline, const std::function<const Row*(const Row&)>& base_of);

/// Prints figures of one work as a table.
void print_figures(std::FILE* out, std::string_view heading, std::span<const Figure> figures);

/// Prints the verdicts, then machine and notes as the caption of all tables.
void print_verdicts(std::FILE* out, std::span<const Verdict> verdicts);
void print_caption(std::FILE* out, const Report& report);

/// The JSON text, one row a line.
std::string to_json(const Report& report);

/// Where a report goes besides the table.
struct ReportFiles {
    std::string json;
    std::string plot;

    /// Adds --json and --plot.
    void add_options(CLI::App& app);
    /// The former alone, for a bench without sizes.
    void add_json_option(CLI::App& app);

    /// Finds out before the measurement what would fail after it: throws WrongInput for a file
    /// that cannot be written or a plot without gnuplot.
    void check(std::string_view asked) const;
};

/// Prints verdicts and caption, and writes the files that were asked for. Throws Failure (exit
/// status 1) afterwards if a row delivered wrong bytes, for the first failure of the report, or if
/// a file could not be written.
void finish_report(std::FILE* out, std::string_view asked, const Report& report,
                   const ReportFiles& files);

}  // namespace onecopy::cli
