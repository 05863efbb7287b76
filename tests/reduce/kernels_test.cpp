// Every kernel of every instruction set against the reference, bit by bit.
#include <gtest/gtest.h>

#include <cfenv>
#include <cstring>
#include <random>

#include "reduce/targets.hpp"
#include "reference.hpp"

namespace onecopy {
namespace {

using reduction::CompiledTable;
using reduction::Kernel;
using Bytes = std::vector<unsigned char>;

/// One compiled instruction set; the tests skip those this processor cannot run.
class EveryTarget : public testing::TestWithParam<std::size_t> {
protected:
    void SetUp() override {
        if (!reduction::supports(compiled().needs))
            GTEST_SKIP() << "this processor cannot run " << compiled().table->target;
    }
    static const CompiledTable& compiled() { return reduction::compiled_tables[GetParam()]; }
    static Kernel kernel(Op op, Type type) {
        return compiled()
            .table->rows[static_cast<std::size_t>(op) - 1][static_cast<std::size_t>(type) - 1];
    }

    template <class F>
    static void for_each_pair(F visit) {
        for (const Op op : reference::all_ops)
            for (const Type type : reference::all_types)
                if (reference::mpi_allows(op, type)) {
                    ASSERT_NE(kernel(op, type), nullptr) << reference::describe(op, type);
                    visit(op, type);
                    if (testing::Test::HasFailure()) return;
                }
    }
};

INSTANTIATE_TEST_SUITE_P(Reduce, EveryTarget,
                         testing::Range(std::size_t{0}, reduction::compiled_table_count),
                         [](const auto& chosen) {
                             return std::string(
                                 reduction::compiled_tables[chosen.param].table->target);
                         });

enum class Alias { none, left, right };

/// Room for one operand at any alignment, with a guard on both sides.
class Slot {
public:
    explicit Slot(std::size_t most) : bytes_(most + 64 + 2 * guard) {}

    unsigned char* place(const unsigned char* data, std::size_t bytes, std::size_t alignment) {
        const auto address = reinterpret_cast<std::uintptr_t>(bytes_.data()) + guard;
        at_ = bytes_.data() + guard + (64 - address % 64) % 64 + alignment;
        std::memset(at_ - guard, 0xa5, guard);
        if (data != nullptr) std::memcpy(at_, data, bytes);
        std::memset(at_ + bytes, 0xa5, guard);
        size_ = bytes;
        return at_;
    }

    [[nodiscard]] bool guards_hold() const {
        for (std::size_t i = 0; i < guard; ++i)
            if (at_[-1 - static_cast<std::ptrdiff_t>(i)] != 0xa5 || at_[size_ + i] != 0xa5)
                return false;
        return true;
    }

private:
    static constexpr std::size_t guard = 64;
    Bytes bytes_;
    unsigned char* at_ = nullptr;
    std::size_t size_ = 0;
};

/// Runs the kernel and says what was wrong, or nothing.
std::string check(Kernel kernel, std::size_t element, const Bytes& left, const Bytes& right,
                  const Bytes& expected, std::size_t first, std::size_t count,
                  std::size_t alignment, Alias alias) {
    static Slot left_slot(1 << 20);
    static Slot right_slot(1 << 20);
    static Slot result_slot(1 << 20);
    const std::size_t bytes = count * element;
    const std::size_t from = first * element;
    const std::size_t right_alignment = (7 * alignment + 3) % 16;
    const std::size_t result_alignment = (5 * alignment + 1) % 16;
    unsigned char* const a = left_slot.place(left.data() + from, bytes, alignment);
    unsigned char* const b = right_slot.place(right.data() + from, bytes, right_alignment);
    unsigned char* c = alias == Alias::left ? a
                       : alias == Alias::right
                           ? b
                           : result_slot.place(nullptr, bytes, result_alignment);
    kernel(a, b, c, count);
    std::string wrong;
    if (std::memcmp(c, expected.data() + from, bytes) != 0) {
        std::size_t at = 0;
        while (c[at] == expected[from + at]) ++at;
        wrong += "element " + std::to_string(at / element) + " of " + std::to_string(count) +
                 " differs; ";
    }
    if (!left_slot.guards_hold() || !right_slot.guards_hold()) wrong += "wrote beyond an operand; ";
    if (alias == Alias::none && !result_slot.guards_hold()) wrong += "wrote beyond the result; ";
    if (alias != Alias::left && std::memcmp(a, left.data() + from, bytes) != 0)
        wrong += "changed the left operand; ";
    if (alias != Alias::right && std::memcmp(b, right.data() + from, bytes) != 0)
        wrong += "changed the right operand; ";
    return wrong;
}

TEST_P(EveryTarget, GivesTheReferencesBitsForEveryPairAlignmentShortCountAndAlias) {
    constexpr std::size_t longest = 67;
    std::mt19937_64 random(1);
    for_each_pair([&](Op op, Type type) {
        const std::size_t element = reference::bytes_of(type);
        const Bytes left = reference::sample(type, longest + 16, random);
        const Bytes right = reference::sample(type, longest + 16, random);
        const Bytes expected = reference::apply(op, type, left, right);
        for (std::size_t count = 0; count <= longest; ++count) {
            for (std::size_t alignment = 0; alignment < 16; ++alignment) {
                for (const Alias alias : {Alias::none, Alias::left, Alias::right}) {
                    const std::string wrong = check(kernel(op, type), element, left, right,
                                                    expected, alignment, count, alignment, alias);
                    ASSERT_EQ(wrong, "") << reference::describe(op, type) << ", alignment "
                                         << alignment << ", alias " << static_cast<int>(alias);
                }
            }
        }
    });
}

TEST_P(EveryTarget, GivesTheReferencesBitsInLongArrays) {
    std::mt19937_64 random(2);
    for_each_pair([&](Op op, Type type) {
        const std::size_t element = reference::bytes_of(type);
        for (const std::size_t count : {std::size_t{511}, std::size_t{4099}}) {
            const Bytes left = reference::sample(type, count, random);
            const Bytes right = reference::sample(type, count, random);
            const Bytes expected = reference::apply(op, type, left, right);
            for (const std::size_t alignment : {0, 1, 8, 15}) {
                for (const Alias alias : {Alias::none, Alias::left, Alias::right}) {
                    const std::string wrong = check(kernel(op, type), element, left, right,
                                                    expected, 0, count, alignment, alias);
                    ASSERT_EQ(wrong, "") << reference::describe(op, type) << ", alignment "
                                         << alignment << ", alias " << static_cast<int>(alias);
                }
            }
        }
    });
}

TEST_P(EveryTarget, LeavesNoByteOfAResultInvented) {
    // Padding: each byte of a result is its old self, or the byte of one operand at that place.
    std::mt19937_64 random(3);
    for (const Type type : {Type::long_double, Type::double_int, Type::long_int, Type::short_int,
                            Type::long_double_int}) {
        for (const Op op : reference::all_ops) {
            if (!reference::mpi_allows(op, type)) continue;
            const std::size_t count = 33;
            const Bytes left = reference::sample(type, count, random);
            const Bytes right = reference::sample(type, count, random);
            Bytes result(left.size(), 0x5a);
            kernel(op, type)(left.data(), right.data(), result.data(), count);
            const std::vector<bool> value = reference::value_bytes(type);
            for (std::size_t i = 0; i < result.size(); ++i) {
                if (value[i % value.size()]) continue;
                EXPECT_TRUE(result[i] == 0x5a || result[i] == left[i] || result[i] == right[i])
                    << reference::describe(op, type) << ", byte " << i;
            }
        }
    }
}

/// All 65,536 halves against a set of partners, both ways round.
void all_halves(Kernel kernel, Op op, Type type, const std::vector<std::uint16_t>& partners) {
    constexpr std::size_t count = 65536;
    Bytes all(2 * count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto bits = static_cast<std::uint16_t>(i);
        std::memcpy(&all[2 * i], &bits, 2);
    }
    for (const std::uint16_t partner : partners) {
        Bytes same(2 * count);
        for (std::size_t i = 0; i < count; ++i) std::memcpy(&same[2 * i], &partner, 2);
        Bytes result(2 * count);
        for (const bool swapped : {false, true}) {
            const Bytes& left = swapped ? same : all;
            const Bytes& right = swapped ? all : same;
            kernel(left.data(), right.data(), result.data(), count);
            const Bytes expected = reference::apply(op, type, left, right);
            for (std::size_t i = 0; i < count; ++i)
                ASSERT_EQ(std::memcmp(&result[2 * i], &expected[2 * i], 2), 0)
                    << reference::describe(op, type) << ": " << std::hex << i << " and " << partner
                    << (swapped ? " swapped" : "");
        }
    }
}

TEST_P(EveryTarget, RoundsEveryHalfOnceAndToNearestEven) {
    for (const Op op : {Op::sum, Op::prod, Op::min, Op::max}) {
        // Zeros, one, odd fractions for ties, smallest and largest numbers, infinity, NaNs.
        all_halves(kernel(op, Type::float16), op, Type::float16,
                   {0x0000, 0x8000, 0x3c00, 0x3c01, 0xbc00, 0x3801, 0x1001, 0x0001, 0x8003, 0x03ff,
                    0x0401, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e01, 0x7d55, 0xfc01});
        all_halves(kernel(op, Type::bfloat16), op, Type::bfloat16,
                   {0x0000, 0x8000, 0x3f80, 0x3f81, 0xbf80, 0x3c01, 0x0001, 0x8003, 0x007f, 0x0081,
                    0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7fc1, 0x7fa5, 0xff81});
    }
}

TEST_P(EveryTarget, DoesNotRaiseFloatingPointExceptionsForTheIntegersOfAPair) {
    // An index of -1 read as a float is a NaN; programs may trap on those.
    struct FloatInt {
        float value;
        int index;
    };
    std::vector<FloatInt> left(37, FloatInt{1.0F, -1});
    std::vector<FloatInt> right(37, FloatInt{1.0F, 0x7f800001});
    for (const Op op : {Op::minloc, Op::maxloc}) {
        std::feclearexcept(FE_ALL_EXCEPT);
        kernel(op, Type::float_int)(left.data(), right.data(), left.data(), left.size());
        EXPECT_EQ(std::fetestexcept(FE_INVALID), 0);
    }
}

}  // namespace
}  // namespace onecopy
