#include "c_api/flags.hpp"

#include "onecopy/onecopy.h"

namespace onecopy::c_api {

// The C constants are the C++ ones.
#define ONECOPY_SAME_OP(c, cpp) static_assert(ONECOPY_##c == static_cast<int>(Op::cpp))
#define ONECOPY_SAME_TYPE(c, cpp) \
    static_assert(ONECOPY_##c == static_cast<int>(Type::cpp) << ONECOPY_TYPE_SHIFT)
ONECOPY_SAME_OP(SUM, sum);
ONECOPY_SAME_OP(PROD, prod);
ONECOPY_SAME_OP(MIN, min);
ONECOPY_SAME_OP(MAX, max);
ONECOPY_SAME_OP(LAND, land);
ONECOPY_SAME_OP(LOR, lor);
ONECOPY_SAME_OP(LXOR, lxor);
ONECOPY_SAME_OP(BAND, band);
ONECOPY_SAME_OP(BOR, bor);
ONECOPY_SAME_OP(BXOR, bxor);
ONECOPY_SAME_OP(MINLOC, minloc);
ONECOPY_SAME_OP(MAXLOC, maxloc);
ONECOPY_SAME_OP(REPLACE, replace);
ONECOPY_SAME_OP(NO_OP, no_op);
ONECOPY_SAME_TYPE(INT8, int8);
ONECOPY_SAME_TYPE(INT16, int16);
ONECOPY_SAME_TYPE(INT32, int32);
ONECOPY_SAME_TYPE(INT64, int64);
ONECOPY_SAME_TYPE(UINT8, uint8);
ONECOPY_SAME_TYPE(UINT16, uint16);
ONECOPY_SAME_TYPE(UINT32, uint32);
ONECOPY_SAME_TYPE(UINT64, uint64);
ONECOPY_SAME_TYPE(FLOAT16, float16);
ONECOPY_SAME_TYPE(BFLOAT16, bfloat16);
ONECOPY_SAME_TYPE(FLOAT32, float32);
ONECOPY_SAME_TYPE(FLOAT64, float64);
ONECOPY_SAME_TYPE(LONG_DOUBLE, long_double);
ONECOPY_SAME_TYPE(COMPLEX_FLOAT, complex_float);
ONECOPY_SAME_TYPE(COMPLEX_DOUBLE, complex_double);
ONECOPY_SAME_TYPE(BOOLEAN, boolean);
ONECOPY_SAME_TYPE(FLOAT_INT, float_int);
ONECOPY_SAME_TYPE(DOUBLE_INT, double_int);
ONECOPY_SAME_TYPE(LONG_INT, long_int);
ONECOPY_SAME_TYPE(INT_INT, int_int);
ONECOPY_SAME_TYPE(SHORT_INT, short_int);
ONECOPY_SAME_TYPE(LONG_DOUBLE_INT, long_double_int);
ONECOPY_SAME_TYPE(FLOAT_FLOAT, float_float);
ONECOPY_SAME_TYPE(DOUBLE_DOUBLE, double_double);
#undef ONECOPY_SAME_OP
#undef ONECOPY_SAME_TYPE

Flags parse_flags(unsigned long flags) noexcept {
    Flags parsed;
    parsed.copy = flags == 0;
    parsed.source_left = (flags & ONECOPY_SOURCE_LEFT) != 0;
    parsed.op = static_cast<Op>(flags & 0xff);
    parsed.type = static_cast<Type>((flags >> ONECOPY_TYPE_SHIFT) & 0xff);
    constexpr unsigned long known = 0xffffUL | ONECOPY_SOURCE_LEFT;
    parsed.valid = parsed.copy || ((flags & ~known) == 0 && allowed(parsed.op, parsed.type));
    return parsed;
}

std::optional<Reduction> reduction_of(unsigned long flags) noexcept {
    const Flags parsed = parse_flags(flags);
    if (!parsed.valid || parsed.copy || parsed.source_left) return {};
    return Reduction(parsed.op, parsed.type);
}

}  // namespace onecopy::c_api
