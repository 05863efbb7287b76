// What one element of each Type is, and which operations are allowed on it: operators.def as
// constants the compiler can compute with.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "onecopy/reduce.hpp"

namespace onecopy::reduction {

/// IEEE 754 binary16. No C++20 type is this: its bits are kept.
struct Float16 {
    std::uint16_t bits;
};

/// The upper half of an IEEE 754 binary32.
struct Bfloat16 {
    std::uint16_t bits;
};

/// Laid out as C's and C++'s complex types are. Plain members, so that no library function with
/// its own idea of infinities multiplies them.
template <class T>
struct Complex {
    T real;
    T imaginary;
};

/// One of MPI's MINLOC types: laid out, padding included, as the C compiler lays out this struct.
template <class Value, class Index>
struct Pair {
    Value value;
    Index index;
};

using FloatInt = Pair<float, int>;
using DoubleInt = Pair<double, int>;
using LongInt = Pair<long, int>;
using IntInt = Pair<int, int>;
using ShortInt = Pair<short, int>;
using LongDoubleInt = Pair<long double, int>;
using FloatFloat = Pair<float, float>;
using DoubleDouble = Pair<double, double>;

/// The kinds of elements, one bit each: an operation is allowed on a set of them.
namespace kind {
inline constexpr unsigned integer = 1, floating = 2, half = 4, complex = 8, logical = 16, pair = 32;
inline constexpr unsigned any = 63;
}  // namespace kind

/// What operators.def says about one operation.
struct OperationFacts {
    Op op;
    const char* name;
    unsigned kinds;
};

/// What operators.def says about one type.
struct TypeFacts {
    Type type;
    const char* name;
    std::size_t bytes;
    unsigned kind;
};

namespace detail {

inline constexpr auto operation_rows = [] {
    using namespace kind;
    return std::to_array<OperationFacts>({
#define ONECOPY_OPERATION(name, flag, mpi, kinds) {Op::name, #name, kinds},
#include "reduce/operators.def"
    });
}();

inline constexpr auto type_rows = [] {
    using namespace kind;
    return std::to_array<TypeFacts>({
#define ONECOPY_TYPE(name, flag, mpi, element, kind) {Type::name, #name, sizeof(element), kind},
#include "reduce/operators.def"
    });
}();

}  // namespace detail

/// All operations and all types, in the order of their enumerators.
inline constexpr const auto& operations = detail::operation_rows;
inline constexpr const auto& types = detail::type_rows;

inline constexpr std::size_t operation_count = operations.size();
inline constexpr std::size_t type_count = types.size();

// An enumerator is a row's number plus one: 0 is no operation and no type (see the C API's flags).
static_assert([] {
    for (std::size_t row = 0; row < operation_count; ++row)
        if (static_cast<std::size_t>(operations[row].op) != row + 1) return false;
    for (std::size_t row = 0; row < type_count; ++row)
        if (static_cast<std::size_t>(types[row].type) != row + 1) return false;
    return true;
}());

/// The number of its row; past the last row for a value that is no operation or type.
constexpr std::size_t row_of(Op op) noexcept { return static_cast<std::size_t>(op) - 1; }
constexpr std::size_t row_of(Type type) noexcept { return static_cast<std::size_t>(type) - 1; }

/// MPI's table.
constexpr bool in_table(Op op, Type type) noexcept {
    return row_of(op) < operation_count && row_of(type) < type_count &&
           (operations[row_of(op)].kinds & types[row_of(type)].kind) != 0;
}

namespace detail {
template <Type type>
struct ElementOf;
#define ONECOPY_TYPE(name, flag, mpi, element, kind) \
    template <>                                      \
    struct ElementOf<Type::name> {                   \
        using type = element;                        \
    };
#include "reduce/operators.def"
}  // namespace detail

/// The C++ type of one element.
template <Type type>
using Element = typename detail::ElementOf<type>::type;

}  // namespace onecopy::reduction
