// The ways of `onecopy bench transfer` that go through memory of an arena.
#pragma once

#include <memory>
#include <string_view>

#include "cli/bench_ways.hpp"

namespace onecopy::cli {

/// `mapped`, `mapped_private` or `mapped_cooperative`.
std::unique_ptr<Way> make_mapped_way(std::string_view name, Work work, const Lane& lane);

}  // namespace onecopy::cli
