// Operations and types by name, for command lines and reports: "sum", "float64".
#pragma once

#include <optional>
#include <string_view>

#include "onecopy/reduce.hpp"

namespace onecopy::reduction {

/// The enumerator's spelling; empty for a value that is none. Never freed.
std::string_view name_of(Op op) noexcept;
std::string_view name_of(Type type) noexcept;

/// The operation or type spelled exactly so; nothing if there is none.
std::optional<Op> parse_operation(std::string_view name) noexcept;
std::optional<Type> parse_type(std::string_view name) noexcept;

}  // namespace onecopy::reduction
