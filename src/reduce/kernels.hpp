// The kernels: one function per operation and type, compiled for several instruction sets.
#pragma once

#include <array>
#include <cstddef>

#include "onecopy/reduce.hpp"
#include "reduce/elements.hpp"

namespace onecopy::reduction {

/// result[i] = left[i] op right[i]. `result` is `left`, `right` or overlaps neither. Any alignment.
using Kernel = void (*)(const void* left, const void* right, void* result,
                        std::size_t count) noexcept;

/// All kernels for one instruction set; null where MPI's table has no such pair.
struct KernelTable {
    const char* target;  // "avx512", "avx2", "sse4", "neon", "scalar"
    std::array<std::array<Kernel, type_count>, operation_count> rows;
};

/// The kernel for the pair on this processor; null if MPI's table does not allow the pair.
/// Chosen at the first call, the same for the life of the process. Any number of threads.
Kernel find_kernel(Op op, Type type) noexcept;

/// The table find_kernel() takes from. The environment variable ONECOPY_SIMD names another target
/// than the best one; one that cannot be had is answered by a line on stderr. For tests of every
/// target see reduce/targets.hpp.
const KernelTable& active_table() noexcept;

}  // namespace onecopy::reduction
