// Whether this process has file descriptors enough to hold on to all ranks of the machine.
#pragma once

#include <cstdint>
#include <string>

namespace onecopy::mpi {

/// Why not, in the user's words; empty if it has. A Process keeps three descriptors open for each
/// rank, our own included. At least half of `limit` must remain for the program, which may open
/// files in great numbers and has no idea that we are here; `open` are in use already.
std::string descriptor_objection(std::uint64_t limit, std::uint64_t open, int ranks);

/// For this process, as it is now. Source: getrlimit(2), RLIMIT_NOFILE, the soft limit.
std::string descriptor_objection(int ranks);

}  // namespace onecopy::mpi
