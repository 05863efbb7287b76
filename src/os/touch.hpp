// Finding out whether memory of this process can be touched, without a signal when it cannot.
#pragma once

#include <cstddef>

namespace onecopy::os {

enum class Touch { read, write };

/// How many bytes from `address` on this process can read or write, at most `bytes`; exact to the
/// byte. Faults the pages in (for Touch::write it allocates them); contents never change, not even
/// for an instant. What another thread unmaps meanwhile is not seen. Thread-safe.
/// Source: madvise(2), MADV_POPULATE_READ (5.14); on older kernels a system call per page.
std::size_t touchable(const void* address, std::size_t bytes, Touch how) noexcept;

}  // namespace onecopy::os
