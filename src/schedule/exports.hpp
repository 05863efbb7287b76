// What others do with a rank's memory: which of it they read, and who comes at all.
#pragma once

#include <cstdint>
#include <vector>

#include "schedule/schedule.hpp"

namespace onecopy::schedule {

struct Range {
    Buffer buffer{};
    int block = 0;
    std::uint64_t offset = 0, bytes = 0;

    bool operator==(const Range&) const = default;
};

/// Other ranks alone count here. Ranges are sorted by buffer, block and offset; none touches the
/// next.
struct Exports {
    std::vector<Range> read;     ///< of this rank's memory
    std::vector<Range> written;  ///< of this rank's memory
    std::vector<int> touchers;   ///< whoever does either, ascending
};

/// Makes the steps of all other ranks: as much work as all of them have together, so not for
/// hundreds of ranks. Throws std::bad_alloc.
[[nodiscard]] Exports exports_of(const Call& call, int rank);

}  // namespace onecopy::schedule
