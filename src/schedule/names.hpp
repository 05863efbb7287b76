// What collectives and forms are called, in settings and on the command line.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "schedule/schedule.hpp"

namespace onecopy::schedule {

inline constexpr std::array<std::string_view, 10> collective_names = {
    "bcast",  "gather",    "scatter",        "allgather", "alltoall",
    "reduce", "allreduce", "reduce_scatter", "scan",      "exscan"};
inline constexpr std::array<std::string_view, 4> form_names = {"pull", "push", "redundant",
                                                               "domains"};

constexpr std::string_view name_of(Collective what) {
    return collective_names[static_cast<std::size_t>(what)];
}
constexpr std::string_view name_of(Form form) { return form_names[static_cast<std::size_t>(form)]; }

}  // namespace onecopy::schedule
