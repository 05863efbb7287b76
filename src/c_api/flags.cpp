#include "c_api/flags.hpp"

#include "onecopy/onecopy.h"

namespace onecopy::c_api {

// The C constants are the C++ ones; each end of either list is pinned here.
static_assert(ONECOPY_SUM == static_cast<int>(Op::sum));
static_assert(ONECOPY_NO_OP == static_cast<int>(Op::no_op));
static_assert(ONECOPY_INT8 == static_cast<int>(Type::int8) << ONECOPY_TYPE_SHIFT);
static_assert(ONECOPY_FLOAT64 == static_cast<int>(Type::float64) << ONECOPY_TYPE_SHIFT);
static_assert(ONECOPY_DOUBLE_DOUBLE == static_cast<int>(Type::double_double) << ONECOPY_TYPE_SHIFT);

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

}  // namespace onecopy::c_api
