// The `flags` of the RFC: which operation on which element type, or a plain copy.
#pragma once

#include <optional>

#include "onecopy/collectives.hpp"
#include "onecopy/reduce.hpp"

namespace onecopy::c_api {

struct Flags {
    bool valid = false;  // no unknown bits, and a pair that MPI's table allows
    bool copy = false;   // flags 0
    Op op{};
    Type type{};
    bool source_left = false;
};

Flags parse_flags(unsigned long flags) noexcept;

/// What ranks reduce by: none if they name a copy, an order, or nothing.
std::optional<Reduction> reduction_of(unsigned long flags) noexcept;

}  // namespace onecopy::c_api
