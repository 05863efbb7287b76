// A report as a picture.
#pragma once

#include <string>
#include <string_view>

#include "cli/bench_report.hpp"

namespace onecopy::cli {

/// Whether a program named gnuplot is on the PATH.
bool gnuplot_found();

/// The gnuplot program that draws the report: a panel per work and number of ranks, a line per way,
/// GB/s over bytes, both logarithmic. Empty: nothing of it has a size and a speed.
std::string plot_script(const Report& report, const std::string& path);

/// Draws the report into an SVG file. Throws Failure if gnuplot cannot be run or does not succeed.
void write_plot(std::string_view asked, const std::string& path, const Report& report);

}  // namespace onecopy::cli
