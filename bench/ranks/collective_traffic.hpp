// Collectives of many kinds between the ranks of a job, such that every rank knows what is to come.
#pragma once

#include <cstddef>
#include <cstdint>

#include "onecopy/node.hpp"
#include "traffic.hpp"

namespace onecopy::bench {

/// A step of mixed collectives that all ranks take together; for up to eight of them. Not
/// thread-safe.
class CollectiveTraffic {
public:
    CollectiveTraffic(Communicator& world, const Buffers& buffers)
        : world_(world), buffers_(buffers) {}

    /// As those of Traffic.
    [[nodiscard]] const char* name_of(std::uint32_t step) const noexcept;
    [[nodiscard]] bool take(std::uint32_t step);

private:
    /// A step's buffers: a part of those of its kind for each rank.
    struct Place;

    bool allreduce(const Place& place, bool begun);
    bool reduce(const Place& place);
    bool bcast(const Place& place, bool begun);
    bool allgather(const Place& place);
    bool alltoall(const Place& place);
    bool gather_and_scatter(const Place& place);
    bool reduce_scatter(const Place& place);
    bool scans(const Place& place);

    /// The first and the last element of what rank `rank` adds to a sum, or of all of them.
    [[nodiscard]] static double summand(std::uint32_t step, int rank) noexcept;
    [[nodiscard]] double sum(std::uint32_t step, int end) const noexcept;

    Communicator& world_;
    const Buffers& buffers_;
};

}  // namespace onecopy::bench
