// A file on a FUSE file system whose daemon never answers a read: what a reader must not touch.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onecopy::test {

/// Mounts it at `directory` in a mount namespace of this process's own and maps it. For a child:
/// everything is gone with it. The address, or a negative errno. Needs root.
std::int64_t map_fuse_file(const char* directory, std::size_t bytes) noexcept;

/// Whether anybody asked for a page meanwhile. If so, the file system was shut down at once, or the
/// one who asked could never be killed.
bool fuse_page_was_asked_for() noexcept;

}  // namespace onecopy::test
