// Which instruction sets were compiled and which the processor has.
#pragma once

#include <cstddef>

#include "reduce/kernels.hpp"

namespace onecopy::reduction {

/// What a table needs of the processor. `baseline` is what the compiler was allowed to use anyway.
enum class InstructionSet { baseline, sse4, avx2, avx512 };

struct CompiledTable {
    const KernelTable* table;
    InstructionSet needs;
};

/// The tables in this library, the best first; the last one always runs. (kernels.cpp)
extern const CompiledTable compiled_tables[];
extern const std::size_t compiled_table_count;

/// Whether processor and kernel can run code for it.
bool supports(InstructionSet set) noexcept;

}  // namespace onecopy::reduction
