// Everybody makes all of the result that it needs, out of what the ranks came with.
#include "schedule/builder.hpp"

namespace onecopy::schedule {

Steps redundant_steps(const Call& call, int rank) {
    using enum Collective;
    Builder builder;
    const int operands = call.what == scan ? rank + 1 : call.what == exscan ? rank : call.ranks;
    if (operands > 0 && (call.what != reduce || rank == call.root)) {
        builder.add(1, call.bytes, {{rank, Buffer::to, 0, 0}}, contributions(operands, 0, 0));
    }
    return std::move(builder).done(1);
}

}  // namespace onecopy::schedule
