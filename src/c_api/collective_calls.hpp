// What the collective calls of the C API have in common.
//
// What is wrong with the memory or the operation is not refused here: the other ranks wait for the
// call. It is made so that the layer below sees the mistake, which tells them.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "c_api/node_handles.hpp"
#include "onecopy/collectives.hpp"

namespace onecopy::c_api {

/// Makes the call, `call(communicator, error)`.
template <class Call>
int make_collective(onecopy_comm* comm, const Call& call) noexcept {
    if (comm == nullptr) return -EINVAL;
    return guarded([&] {
        std::error_code error;
        call(*comm->communicator, error);
        return number_of(error);
    });
}

/// Begins it, `call(communicator)`.
template <class Call>
int begin_collective(onecopy_comm* comm, onecopy_request** request, const Call& call) noexcept {
    if (!can_begin(comm, request)) return -EINVAL;
    return guarded([&] {
        return make_request(comm->part.node(), false, request,
                            [&] { return call(*comm->communicator); });
    });
}

/// More bytes than memory can have.
inline constexpr std::size_t too_many = SIZE_MAX;

/// A part for each rank, one behind the other.
inline std::size_t for_each_rank(const Communicator& ranks, std::size_t bytes) noexcept {
    std::size_t all = 0;
    const auto count = static_cast<std::size_t>(ranks.size());
    return __builtin_mul_overflow(bytes, count, &all) ? too_many : all;
}

/// The parts of a buffer, none if their sizes are missing, which no call takes; and how long the
/// buffer has to be for them.
struct CParts {
    CParts(const Communicator& ranks, const std::size_t* bytes,
           const std::size_t* offsets) noexcept {
        const auto count = static_cast<std::size_t>(ranks.size());
        if (bytes == nullptr) return;
        parts.bytes = {bytes, count};
        if (offsets != nullptr) parts.offsets = {offsets, count};
        std::size_t at = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (offsets != nullptr) at = offsets[i];
            if (__builtin_add_overflow(at, bytes[i], &at)) at = too_many;
            if (at > all_bytes) all_bytes = at;
            if (at == too_many) return;
        }
    }
    [[nodiscard]] std::size_t own_bytes(const Communicator& ranks) const noexcept {
        return parts.bytes.empty() ? 0 : parts.bytes[static_cast<std::size_t>(ranks.rank())];
    }

    onecopy::Parts parts;
    std::size_t all_bytes = 0;
};

/// Those that the root alone names.
inline CParts parts_at(int root, const Communicator& ranks, const std::size_t* bytes,
                       const std::size_t* offsets) noexcept {
    const bool here = ranks.rank() == root;
    return {ranks, here ? bytes : nullptr, here ? offsets : nullptr};
}

}  // namespace onecopy::c_api
