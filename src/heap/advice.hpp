// madvise on memory of which a part is the arena's.
#pragma once

#include <cstddef>

namespace onecopy::heap {

/// madvise(2) as a program means it that takes malloc's memory for private memory: after
/// MADV_DONTNEED, and sooner or later after MADV_FREE, it reads as zeros. On the arena's memory,
/// which is a shared file, the first would only unmap, and the second is refused: there both become
/// MADV_REMOVE. Ranges that are partly the arena's are split. Return value and errno are the
/// kernel's.
///
/// Everything else the kernel gets as it came. So, of a block in the arena: MADV_WIPEONFORK is
/// refused (EINVAL), as on any shared memory. MADV_DONTFORK holds as for private memory. What a
/// program does to the mapping itself it does to the block's place for good: after mprotect it must
/// give the right to write back before it frees the block, and mremap takes the pages away from
/// under malloc, as both do with blocks of libc's heap.
int advise(void* address, std::size_t bytes, int advice) noexcept;

}  // namespace onecopy::heap
