// The ways that `onecopy bench p2p` compares.
#pragma once

#include <span>
#include <string_view>

#include "cli/bench_job_ways.hpp"

namespace onecopy::cli {

/// All of them, in the order of the report.
std::span<const JobWay> p2p_ways() noexcept;

/// Whether a way can do a work: one that is no more than a memcpy cannot wait for an answer.
bool does(std::string_view way, std::string_view work) noexcept;

}  // namespace onecopy::cli
