// realloc between the arena and the next malloc.
#pragma once

#include <cstddef>

namespace onecopy::heap {

/// Resizes a block that is ours, as realloc does. `bytes` is not 0.
void* reallocate_ours(void* block, std::size_t bytes) noexcept;

/// Resizes a block of the next malloc to a large size.
void* reallocate_to_large(void* block, std::size_t bytes) noexcept;

}  // namespace onecopy::heap
