// `onecopy plan --plot`: a schedule as an SVG picture.
#pragma once

#include <string>

#include "cli/plan_figures.hpp"
#include "cli/plan_text.hpp"

namespace onecopy::cli {

/// A panel for each phase (phases alike share one): packages, NUMA nodes and L3s as boxes in each
/// other, ranks as dots. An arrow goes between the largest boxes that the bytes leave and enter, as
/// wide as they are many; bytes inside an L3 tint it, or are arrows between its ranks where these
/// are few.
std::string plan_drawing(const Plan& plan, const PlanFigures& figures);

}  // namespace onecopy::cli
