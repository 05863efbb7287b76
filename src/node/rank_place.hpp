// Where a rank is on the machine, for those who move data between many ranks.
#pragma once

#include "os/cpu_place.hpp"

namespace onecopy::node {

/// Of the calling thread's rank, by its affinity mask; or, where ONECOPY_TOPOLOGY describes a
/// machine, of the hardware thread of that number there (see os::place_in). Some ten short files.
/// Throws std::bad_alloc; std::system_error, EINVAL: ONECOPY_TOPOLOGY describes none.
/// Source: sched_getaffinity(2).
[[nodiscard]] os::CpuPlace place_of_rank(int rank);

}  // namespace onecopy::node
