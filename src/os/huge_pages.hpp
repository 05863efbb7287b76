// Whether memory of files without a name may come in large pieces.
#pragma once

#include <cstddef>
#include <string>

namespace onecopy::os {

/// The size of a huge page where we know of one: two megabytes.
inline constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;

/// Whether the kernel backs shared memory that nobody asked to by pages larger than the smallest,
/// of some size. True where that cannot be known. `directory`: for tests.
/// Source: Linux, Documentation/admin-guide/mm/transhuge.rst, shmem_enabled.
bool shared_memory_may_be_huge(
    const std::string& directory = "/sys/kernel/mm/transparent_hugepage");

/// Backs the whole huge pages in the run by huge pages now, also those that were never touched:
/// 0, or an errno (EINVAL before Linux 6.1 or where the kernel has none; ENOMEM, no contiguous
/// memory). Contents stay. Source: madvise(2), MADV_COLLAPSE.
int make_huge(void* address, std::size_t bytes) noexcept;

}  // namespace onecopy::os
