#include "schedule/traffic.hpp"

#include <algorithm>
#include <vector>

namespace onecopy::schedule {

std::uint64_t Traffic::at_least(Link link) const noexcept {
    std::uint64_t sum = 0;
    for (auto i = static_cast<std::size_t>(link); i < bytes_.size(); ++i) sum += bytes_[i];
    return sum;
}

void Traffic::add(const Step& step, int rank, const Domains& where) noexcept {
    const auto link_to = [&](int other) {
        return other == rank ? Link::self : link_between(where.where(rank), where.where(other));
    };
    for (const Source& source : step.sources) add(link_to(source.place.rank), step.bytes);
    for (const Place& target : step.targets) add(link_to(target.rank), step.bytes);
}

std::uint64_t least_bytes(const Call& call, const Domains& where, Link link) {
    using enum Collective;
    // The groups of ranks that such a link does not come between.
    std::vector<Where> places;
    for (int rank = 0; rank < call.ranks; ++rank) places.push_back(where.where(rank));
    std::sort(places.begin(), places.end());
    std::vector<std::uint64_t> sizes;
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (i == 0 || link_between(places[i - 1], places[i]) >= link) sizes.push_back(0);
        ++sizes.back();
    }
    const auto ranks = static_cast<std::uint64_t>(call.ranks);
    const std::uint64_t others = sizes.size() - 1;
    switch (call.what) {
        case bcast:
        case reduce:
        case scan:  // each group needs to hear of rank 0
        case exscan:
            return others * call.bytes;
        case allreduce:
            return 2 * others * call.bytes;
        case reduce_scatter:
            return others * ranks * call.bytes;
        case gather:
        case scatter: {
            std::uint64_t outside = 0;
            for (int rank = 0; rank < call.ranks; ++rank) {
                if (rank != call.root &&
                    link_between(where.where(rank), where.where(call.root)) >= link) {
                    ++outside;
                }
            }
            return outside * call.bytes;
        }
        case allgather: {
            std::uint64_t blocks = 0;
            for (const std::uint64_t size : sizes) blocks += ranks - size;
            return blocks * call.bytes;
        }
        case alltoall: {
            std::uint64_t blocks = 0;
            for (const std::uint64_t size : sizes) blocks += size * (ranks - size);
            return blocks * call.bytes;
        }
    }
    return 0;
}

}  // namespace onecopy::schedule
