#include "reduce/names.hpp"

#include "reduce/elements.hpp"

namespace onecopy::reduction {

std::string_view name_of(Op op) noexcept {
    return row_of(op) < operation_count ? operations[row_of(op)].name : "";
}

std::string_view name_of(Type type) noexcept {
    return row_of(type) < type_count ? types[row_of(type)].name : "";
}

std::optional<Op> parse_operation(std::string_view name) noexcept {
    for (const OperationFacts& row : operations)
        if (name == row.name) return row.op;
    return std::nullopt;
}

std::optional<Type> parse_type(std::string_view name) noexcept {
    for (const TypeFacts& row : types)
        if (name == row.name) return row.type;
    return std::nullopt;
}

}  // namespace onecopy::reduction
