// Reductions straight on memory of the target that is mapped here: no call, no tile.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "attach/peer_memory.hpp"
#include "attach/target.hpp"
#include "plan/cursor.hpp"
#include "reduce/combiner.hpp"

namespace onecopy::reduction {

/// Where results go.
enum class Into { local, remote };

/// Whether the owner of mapped memory still is the target, so that its memory means anything.
inline bool owner_is_here(const attach::Target& target, const attach::PeerMemory& memory) noexcept {
    return memory.owner_is_here() ||
           (target.still_there(false) && target.image() != attach::Target::Image::gone);
}

/// Bytes between two looks at whether the owner still is there.
inline constexpr std::uint64_t mapped_stride_bytes = 256 << 10;

/// Combines whole elements of both sides, which are whole segments of whole elements, for as long
/// as the remote ones can be mapped, until `done` is `total`. Both cursors stand behind them then.
/// Returns how many bytes the tile shall carry next: one element that lies across the end of a
/// window, or as many as a tile takes (`chunk`) of other memory. What was combined was the owner's,
/// though it should have ended meanwhile: its memory outlives it, and nobody invents any.
template <class LocalSegment>
std::size_t combine_mapped(const Process& process, plan::Cursor<LocalSegment>& local,
                           plan::Cursor<RemoteSegment>& remote, const Combiner& combine,
                           Into results, std::uint64_t total, std::size_t chunk,
                           std::uint64_t& done) noexcept {
    attach::PeerMemory* const memory = process.target().peer_memory();
    if (memory == nullptr) return chunk;
    const std::size_t element = combine.element_bytes();
    while (done < total) {
        const plan::Run near = local.run();
        const plan::Run far = remote.run();
        const std::uint64_t wanted =
            std::min({near.bytes, far.bytes, total - done, mapped_stride_bytes + element});
        if (!owner_is_here(process.target(), *memory)) return chunk;
        const attach::PeerMemory::Reach there = memory->reach(far.address, wanted);
        const std::size_t whole = there.bytes.size() - there.bytes.size() % element;
        if (whole == 0) return there.bytes.empty() ? chunk : element;
        auto* const here = reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(near.address));
        std::byte* const result = results == Into::local ? here : there.bytes.data();
        combine(here, there.bytes.data(), result, whole);
        local.advance(whole);
        remote.advance(whole);
        done += whole;
    }
    return chunk;
}

}  // namespace onecopy::reduction
