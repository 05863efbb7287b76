// Another malloc in the process: then ours serves nothing.
#pragma once

namespace onecopy::heap {

/// Whether another malloc than libc's is in front of ours or behind it: jemalloc, tcmalloc, a
/// sanitizer's. Says so in one line. Called once, with allocate_large() closed to this thread: it
/// allocates a large block to see whether it passes here.
bool stands_aside() noexcept;

/// A large block was asked for while we were inside.
void heard_us() noexcept;

}  // namespace onecopy::heap
