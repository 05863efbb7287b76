// Compiled as for a kernel module: instantiates the whole plan layer without libc or libstdc++.
#include "plan/walk.hpp"

namespace onecopy::plan {

template class Cursor<Run>;
template class Walk<Run, Run>;

extern "C" uint64_t onecopy_plan_freestanding(const Run* local, size_t locals, const Run* remote,
                                              size_t remotes, Run* room, size_t capacity) {
    Walk walk(Cursor(local, locals), Cursor(remote, remotes));
    Batch batch{room, room + capacity, 0, 0, 0};
    uint64_t bytes = 0;
    while (!walk.done()) {
        walk.fill(batch, {capacity, capacity, kernel_limits.bytes});
        walk.advance(batch.bytes, batch.bytes);
        bytes += batch.bytes;
    }
    return bytes + whole_elements(local, locals, 8);
}

}  // namespace onecopy::plan
