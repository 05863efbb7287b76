// What every operation means, written a second time: from MPI's text and
// include/onecopy/reduce.hpp, one element at a time, sharing nothing with src/reduce.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "onecopy/reduce.hpp"

namespace onecopy::reference {

/// Every Op and every Type, spelled out.
inline constexpr Op all_ops[] = {Op::sum,    Op::prod,   Op::min,     Op::max,  Op::land,
                                 Op::lor,    Op::lxor,   Op::band,    Op::bor,  Op::bxor,
                                 Op::minloc, Op::maxloc, Op::replace, Op::no_op};
inline constexpr Type all_types[] = {
    Type::int8,        Type::int16,           Type::int32,          Type::int64,
    Type::uint8,       Type::uint16,          Type::uint32,         Type::uint64,
    Type::float16,     Type::bfloat16,        Type::float32,        Type::float64,
    Type::long_double, Type::complex_float,   Type::complex_double, Type::boolean,
    Type::float_int,   Type::double_int,      Type::long_int,       Type::int_int,
    Type::short_int,   Type::long_double_int, Type::float_float,    Type::double_double};

/// MPI 4.0, section 6.9.2: which operations each class of types has.
bool mpi_allows(Op op, Type type);

/// The C compiler's size of one element.
std::size_t bytes_of(Type type);

/// Bytes at the end of an element that belong to no member, and where a member's padding starts:
/// true for each byte that carries value.
std::vector<bool> value_bytes(Type type);

/// One element; the pair must be allowed. `result` may be neither operand.
void apply(Op op, Type type, const unsigned char* left, const unsigned char* right,
           unsigned char* result);

/// Many of them.
std::vector<unsigned char> apply(Op op, Type type, const std::vector<unsigned char>& left,
                                 const std::vector<unsigned char>& right);

/// `count` elements, every few of them special: zeros of both signs, NaNs of both sorts and signs
/// with payloads, infinities, smallest and largest numbers, small numbers that tie.
std::vector<unsigned char> sample(Type type, std::size_t count, std::mt19937_64& random);

/// "sum of float64", for messages.
std::string describe(Op op, Type type);

}  // namespace onecopy::reference
