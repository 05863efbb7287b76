// The tables: which operation goes with which type, sizes, names.
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>

#include "onecopy/reduce.hpp"
#include "reduce/elements.hpp"
#include "reduce/names.hpp"
#include "reference.hpp"

namespace onecopy {
namespace {

using reference::all_ops;
using reference::all_types;
using reference::describe;

TEST(ReduceTable, AllowsExactlyThePairsOfMpisTable) {
    int pairs = 0;
    for (const Op op : all_ops) {
        for (const Type type : all_types) {
            EXPECT_EQ(allowed(op, type), reference::mpi_allows(op, type)) << describe(op, type);
            pairs += allowed(op, type) ? 1 : 0;
        }
    }
    // 10 operations on 8 integers, 4 on 5 floating types, 2 on 2 complex ones, 3 on bool, 2 on 8
    // pairs, 2 on all 24.
    EXPECT_EQ(pairs, 80 + 20 + 4 + 3 + 16 + 48);
}

TEST(ReduceTable, CombineRefusesEveryOtherPairAndTouchesNothing) {
    for (const Op op : all_ops) {
        for (const Type type : all_types) {
            if (reference::mpi_allows(op, type)) continue;
            unsigned char left[32] = {1};
            unsigned char right[32] = {2};
            unsigned char result[32] = {3};
            EXPECT_EQ(combine(op, type, left, right, result, 1), std::errc::invalid_argument)
                << describe(op, type);
            EXPECT_EQ(result[0], 3);
        }
    }
}

TEST(ReduceTable, KnowsNothingBeyondItsEnds) {
    for (const int number : {0, 15, 25, 255}) {
        const auto op = static_cast<Op>(number);
        const auto type = static_cast<Type>(number);
        if (number != 15) {
            EXPECT_EQ(size_of(type), 0U);
            EXPECT_EQ(reduction::name_of(type), "");
            EXPECT_FALSE(allowed(Op::replace, type));
            EXPECT_EQ(combine(Op::replace, type, nullptr, nullptr, nullptr, 0),
                      std::errc::invalid_argument);
        }
        EXPECT_EQ(reduction::name_of(op), "");
        EXPECT_FALSE(allowed(op, Type::int32));
        EXPECT_EQ(combine(op, Type::int32, nullptr, nullptr, nullptr, 0),
                  std::errc::invalid_argument);
    }
}

TEST(ReduceTable, SizesAreThoseOfTheCompilersStructs) {
    for (const Type type : all_types) EXPECT_EQ(size_of(type), reference::bytes_of(type));
    EXPECT_EQ(size_of(Type::short_int), 8U);
    EXPECT_EQ(size_of(Type::float_int), 8U);
    EXPECT_EQ(size_of(Type::complex_double), 16U);
    EXPECT_EQ(size_of(Type::boolean), 1U);
}

TEST(ReduceTable, NamesLeadBackToWhatTheyName) {
    for (const Op op : all_ops) EXPECT_EQ(reduction::parse_operation(reduction::name_of(op)), op);
    for (const Type type : all_types)
        EXPECT_EQ(reduction::parse_type(reduction::name_of(type)), type);
    EXPECT_EQ(reduction::parse_operation("sum"), Op::sum);
    EXPECT_EQ(reduction::parse_type("float64"), Type::float64);
    EXPECT_EQ(reduction::parse_operation("SUM"), std::nullopt);
    EXPECT_EQ(reduction::parse_operation(""), std::nullopt);
    EXPECT_EQ(reduction::parse_type("float6"), std::nullopt);
    EXPECT_EQ(reduction::parse_type("float644"), std::nullopt);
}

TEST(ReduceTable, FlagsAndMpiNamesOfTheListAreAllDifferent) {
    std::set<std::string> names;
    std::size_t rows = 0;
#define ONECOPY_OPERATION(name, flag, mpi, kinds) \
    names.insert(#flag);                          \
    names.insert(#mpi);                           \
    rows += 2;
#define ONECOPY_TYPE(name, flag, mpi, element, kind) \
    names.insert(#flag);                             \
    ++rows;                                          \
    if (std::string(#mpi) != "MPI_DATATYPE_NULL") {  \
        names.insert(#mpi);                          \
        ++rows;                                      \
    }
#include "reduce/operators.def"
    EXPECT_EQ(names.size(), rows);
}

}  // namespace
}  // namespace onecopy
