// Memory in a file without a name, whose size nobody can change any more.
#pragma once

#include <cstddef>

#include "os/fd.hpp"

namespace onecopy::os {

/// A new memfd of `bytes` (a multiple of the page size), zero, sparse, close-on-exec, sealed
/// against shrinking, growing and further seals. Extra `flags` of memfd_create, as MFD_HUGETLB.
/// Throws std::system_error: EFBIG, the process's file size limit forbids it (ftruncate past it
/// would be a SIGXFSZ); EMFILE, ENOMEM and others. Source: memfd_create(2), fcntl(2).
Fd make_sealed_memfd(const char* name, std::size_t bytes, unsigned flags = 0);

/// The size of one that was received, if it has those seals: without them its creator could
/// truncate it under our feet, which is a SIGBUS here. (No seal forbids punching holes: those read
/// as zeros.) Throws std::system_error: EINVAL, it is no memfd or lacks a seal.
std::size_t size_of_sealed_memfd(const Fd& fd);

}  // namespace onecopy::os
