#include "schedule/exports.hpp"

#include <algorithm>
#include <tuple>

namespace onecopy::schedule {
namespace {

std::vector<Range> merged(std::vector<Range> ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
        return std::tie(a.buffer, a.block, a.offset) < std::tie(b.buffer, b.block, b.offset);
    });
    std::vector<Range> all;
    for (const Range& range : ranges) {
        if (!all.empty() && all.back().buffer == range.buffer && all.back().block == range.block &&
            range.offset <= all.back().offset + all.back().bytes) {
            const std::uint64_t end =
                std::max(all.back().offset + all.back().bytes, range.offset + range.bytes);
            all.back().bytes = end - all.back().offset;
        } else {
            all.push_back(range);
        }
    }
    return all;
}

/// Notes `place`, if it is of that rank.
bool note(std::vector<Range>& ranges, const Place& place, std::uint64_t bytes, int rank) {
    if (place.rank != rank) return false;
    ranges.push_back({place.buffer, place.block, place.offset, bytes});
    return true;
}

}  // namespace

Exports exports_of(const Call& call, int rank) {
    Exports exports;
    for (int other = 0; other < call.ranks; ++other) {
        if (other == rank) continue;
        bool touches = false;
        for (const Step& step : steps_of(call, other).list) {
            for (const Source& source : step.sources) {
                touches |= note(exports.read, source.place, step.bytes, rank);
            }
            for (const Place& target : step.targets) {
                touches |= note(exports.written, target, step.bytes, rank);
            }
        }
        if (touches) exports.touchers.push_back(other);
    }
    exports.read = merged(std::move(exports.read));
    exports.written = merged(std::move(exports.written));
    return exports;
}

}  // namespace onecopy::schedule
