// All kernels, once per instruction set. What each does is in scalar.hpp, how in the -inl headers,
// and which table is used in targets.cpp.

#include "reduce/highway_settings.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "reduce/kernels.cpp"
#include "hwy/foreach_target.h"  // includes this file again for each target but the last
#include "reduce/kernels-inl.hpp"

#if HWY_ONCE

#include "reduce/targets.hpp"

namespace onecopy::reduction {

// The best first: targets.cpp takes the first that the processor can run.
const CompiledTable compiled_tables[] = {
#if HWY_TARGETS & HWY_AVX3
    {&N_AVX3::table, InstructionSet::avx512},
#endif
#if HWY_TARGETS & HWY_AVX2
    {&N_AVX2::table, InstructionSet::avx2},
#endif
#if HWY_TARGETS & HWY_SSE4
    {&N_SSE4::table, InstructionSet::sse4},
#endif
#if HWY_TARGETS & HWY_NEON
    {&N_NEON::table, InstructionSet::baseline},
#endif
#if HWY_TARGETS & HWY_SCALAR
    {&N_SCALAR::table, InstructionSet::baseline},
#endif
};

const std::size_t compiled_table_count = std::size(compiled_tables);

}  // namespace onecopy::reduction

#endif  // HWY_ONCE
