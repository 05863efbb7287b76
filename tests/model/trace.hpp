// An execution in words.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/graph.hpp"

namespace onecopy::model {

std::string_view name_of(std::memory_order order) noexcept;
std::string name_of(const Graph& graph, int location);

/// A line for each operation of the threads, in an order in which they can have happened, and for
/// each load that did not read the newest store, what it missed.
std::string trace_of(const Graph& graph, const std::vector<std::string>& threads);

}  // namespace onecopy::model
