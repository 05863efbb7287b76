// MPI_Allreduce and MPI_Reduce of large arrays, on a channel: each member reduces one slice
// straight from the others' memory, tile by tile in rank order, and puts the results into a ring of
// tiles from which whoever needs them takes them while the next tile is under way.
//
// So a source crosses to another process once, in the system call that reads it, and needs no copy;
// a result tile is read by the others while it is in the cache. An operation has one meeting, at
// its start. A member may leave when it has taken all results: then all the others have produced
// theirs, so nobody reads its source any more. In place is nothing special: a slice of a member's
// source is read by one other member only, who has read it when the result for that slice appears.
//
// Rank order and a fixed bracketing, ((0 op 1) op 2) op 3, whatever the slices, the members' speed
// and the mechanism that moves the bytes: the same input gives the same bits on every rank and in
// every run. No MPI in here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>
#include <vector>

#include "mpi/channel.hpp"
#include "onecopy/reduce.hpp"

namespace onecopy::mpi {

/// One call's arguments, as one member has them. All members agree in op, type, count and root.
struct Reduction {
    static constexpr int everybody = -1;

    Op op;
    Type type;
    std::size_t count;
    int root = everybody;  ///< the member that gets the result
    const std::byte* source = nullptr;
    std::byte* result = nullptr;  ///< may be `source`; not looked at where no result is due
    bool veto = false;            ///< this member cannot: then all decline
};

enum class Outcome {
    done,      ///< the result is there
    declined,  ///< a member vetoed, or they disagree: nothing was written, all decline
    failed,    ///< see error(): a member has ended, or refused what it had offered
};

/// A part of an array, in bytes.
struct Slice {
    std::size_t begin;
    std::size_t end;
    [[nodiscard]] std::size_t bytes() const noexcept { return end - begin; }
    /// So many tiles cover it; the last may be shorter, and those beyond are empty.
    [[nodiscard]] std::uint64_t tiles() const noexcept;
    [[nodiscard]] Slice tile(std::uint64_t number) const noexcept;
};

/// The part of `bytes` that member `rank` reduces. Slices are whole elements, of about the same
/// size, and start at multiples of a page where that is little, of a cache line otherwise.
Slice slice_of(std::size_t bytes, int members, int rank) noexcept;

/// A channel and the little memory that reductions on it need. One thread at a time.
class Reducer {
public:
    Reducer(Machine& machine, Lease lease, std::vector<int> members, int rank);

    /// Runs one operation; all members call it. Never throws: without memory it vetoes.
    Outcome run(const Reduction& reduction) noexcept;

    [[nodiscard]] std::error_code error() const noexcept { return error_; }
    [[nodiscard]] const Channel& channel() const noexcept { return channel_; }

private:
    struct Free {
        void operator()(std::byte* memory) const noexcept;
    };
    using Memory = std::unique_ptr<std::byte[], Free>;
    static Memory allocate() noexcept;

    bool agreed() const noexcept;
    std::error_code exchange(const Reduction& reduction) noexcept;
    std::error_code produce(const Reduction& reduction, std::uint64_t tile) noexcept;
    std::error_code consume(const Reduction& reduction, std::uint64_t tile) noexcept;
    std::error_code combine_tile(const Reduction& reduction, Slice tile, std::byte* into) noexcept;
    [[nodiscard]] bool gets_result(const Reduction& reduction) const noexcept;

    Channel channel_;
    std::error_code error_;
    Memory left_;  // tiles
    Memory right_;
};

}  // namespace onecopy::mpi
