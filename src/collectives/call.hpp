// What a collective call is.
#pragma once

#include <cstddef>
#include <cstdint>

#include "onecopy/collectives.hpp"
#include "reduce/combiner.hpp"
#include "schedule/schedule.hpp"

namespace onecopy::collectives {

using schedule::Collective;

/// By value: the user's memory is borrowed until the call is over.
struct Call {
    Collective what{};
    bool is_barrier = false;  ///< then nothing else counts
    int root = 0;
    std::uint64_t bytes = 0;  ///< of a block: see schedule::Call
    const std::byte* from = nullptr;
    std::byte* to = nullptr;
    bool reduces = false;
    reduction::Combiner how{Op::no_op, Type::int8, true};
    std::uint64_t operation = 0;  ///< a number for it that is the same at all ranks

    Call(Collective collective, int at, std::uint64_t block) noexcept
        : what(collective), root(at), bytes(block) {}

    void reduce_by(const Reduction& with) noexcept {
        reduces = true;
        how = with.function.call != nullptr ? reduction::Combiner(with.function, true)
                                            : reduction::Combiner(with.op, with.type, true);
        operation = with.function.call != nullptr
                        ? std::uint64_t{with.function.element_bytes} << 16
                        : std::uint64_t{1} + static_cast<std::uint64_t>(with.op) * 256 +
                              static_cast<std::uint64_t>(with.type);
    }

    [[nodiscard]] std::uint64_t grain() const noexcept { return reduces ? how.element_bytes() : 1; }

    /// Whether its results lie where what it contributes does.
    [[nodiscard]] bool is_in_place(std::uint64_t from_bytes,
                                   std::uint64_t to_bytes) const noexcept {
        const auto begin = [](const std::byte* at) { return reinterpret_cast<std::uintptr_t>(at); };
        return begin(from) < begin(to) + to_bytes && begin(to) < begin(from) + from_bytes;
    }

    /// Equal at all ranks that make the same call, and hardly where they do not.
    [[nodiscard]] std::uint64_t signature() const noexcept {
        constexpr std::uint64_t odd = 0x9e37'79b9'7f4a'7c15;
        std::uint64_t sum = static_cast<std::uint64_t>(what) + (is_barrier ? 256 : 0);
        for (const std::uint64_t part : {static_cast<std::uint64_t>(root), bytes, operation}) {
            sum = (sum ^ part) * odd;
            sum ^= sum >> 29;
        }
        return sum;
    }
};

/// Blocks that a rank contributes, and gets.
struct Blocks {
    int from = 0, to = 0;
};
constexpr Blocks blocks_of(Collective what, int rank, int root, int ranks) noexcept {
    const bool is_root = rank == root;
    switch (what) {
        case Collective::bcast:
            return {is_root ? 1 : 0, is_root ? 0 : 1};
        case Collective::gather:
            return {1, is_root ? ranks : 0};
        case Collective::scatter:
            return {is_root ? ranks : 0, 1};
        case Collective::allgather:
            return {1, ranks};
        case Collective::alltoall:
            return {ranks, ranks};
        case Collective::reduce:
            return {1, is_root ? 1 : 0};
        case Collective::reduce_scatter:
            return {ranks, 1};
        case Collective::allreduce:
        case Collective::scan:
            return {1, 1};
        case Collective::exscan:
            return {1, rank > 0 ? 1 : 0};
    }
    return {};
}

}  // namespace onecopy::collectives
