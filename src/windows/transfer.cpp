// put and get: straight loads and stores where the memory is mapped, the calls of attach elsewhere.
#include "onecopy/transfer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <type_traits>

#include "os/errors.hpp"
#include "windows/state.hpp"

namespace onecopy::windows {
namespace {

/// Pieces to be put, or to be filled by a get.
template <class Piece>
constexpr bool is_put = std::is_same_v<Piece, ConstSegment>;

/// Words by one load and one store, so that whoever looks at them meanwhile sees no half of one.
void copy_bytes(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
    switch (bytes) {
        case 1:
            std::memcpy(to, from, 1);
            return;
        case 2:
            std::memcpy(to, from, 2);
            return;
        case 4:
            std::memcpy(to, from, 4);
            return;
        case 8:
            std::memcpy(to, from, 8);
            return;
        default:
            // Of our own part it may be the same memory.
            std::memmove(to, from, bytes);
    }
}

/// Between pieces of ours and runs of a part that is mapped at `memory`: as many bytes on both
/// sides, each list in order.
template <class Piece>
void copy_runs(std::span<const Piece> pieces, std::byte* memory,
               std::span<const WindowRun> runs) noexcept {
    auto piece = pieces.begin();
    std::size_t done_of_piece = 0;
    for (const WindowRun& run : runs) {
        for (std::size_t done = 0; done < run.bytes;) {
            while (done_of_piece == piece->size()) {
                ++piece;
                done_of_piece = 0;
            }
            const std::size_t bytes = std::min(run.bytes - done, piece->size() - done_of_piece);
            std::byte* const there = memory + run.offset + done;
            if constexpr (is_put<Piece>) {
                copy_bytes(there, piece->data() + done_of_piece, bytes);
            } else {
                copy_bytes(piece->data() + done_of_piece, there, bytes);
            }
            done += bytes;
            done_of_piece += bytes;
        }
    }
}

/// The same by calls, of a part that is not mapped.
template <class Piece>
std::error_code call_for_runs(std::span<const Piece> pieces, const Target& other,
                              std::span<const WindowRun> runs) noexcept {
    try {
        std::vector<RemoteSegment> remote;
        remote.reserve(runs.size());
        for (const WindowRun& run : runs) {
            remote.push_back({other.part.address + run.offset, run.bytes});
        }
        if constexpr (is_put<Piece>) {
            return write(*other.process(), pieces, remote).error;
        } else {
            return read(*other.process(), remote, pieces).error;
        }
    } catch (const std::bad_alloc&) {
        return os::no_memory();
    }
}

}  // namespace

std::error_code State::put(ConstSegment from, int rank, std::size_t offset) noexcept {
    std::error_code error = check(rank, offset, from.size());
    if (error || from.empty()) return error;
    Target& to = target(rank);
    std::byte* const memory = reach(to, error);
    if (memory != nullptr) [[likely]] {
        copy_bytes(memory + offset, from.data(), from.size());
        return {};
    }
    if (error) return error;
    return after_call(to, write(*to.process(), from, to.part.address + offset).error);
}

std::error_code State::get(Segment into, int rank, std::size_t offset) noexcept {
    std::error_code error = check(rank, offset, into.size());
    if (error || into.empty()) return error;
    Target& from = target(rank);
    const std::byte* const memory = reach(from, error);
    if (memory != nullptr) [[likely]] {
        copy_bytes(into.data(), memory + offset, into.size());
        return {};
    }
    if (error) return error;
    return after_call(from, read(*from.process(), from.part.address + offset, into).error);
}

template <class Piece>
std::error_code State::move(std::span<const Piece> pieces, int rank,
                            std::span<const WindowRun> runs) noexcept {
    std::uint64_t here = 0, there = 0;
    for (const Piece& piece : pieces) here += piece.size();
    std::error_code error = check(rank, 0, 0);
    if (error) return error;
    for (const WindowRun& run : runs) {
        error = check(rank, run.offset, run.bytes);
        // (Both sums are of memory that is there, but a list may name the same again and again.)
        if (error || __builtin_add_overflow(there, std::uint64_t{run.bytes}, &there)) {
            return error ? error : std::make_error_code(std::errc::invalid_argument);
        }
    }
    if (here != there) return std::make_error_code(std::errc::invalid_argument);
    if (here == 0) return {};
    Target& other = target(rank);
    std::byte* const memory = reach(other, error);
    if (error) return error;
    if (memory == nullptr) return after_call(other, call_for_runs(pieces, other, runs));
    copy_runs(pieces, memory, runs);
    return {};
}

template std::error_code State::move(std::span<const ConstSegment>, int,
                                     std::span<const WindowRun>) noexcept;
template std::error_code State::move(std::span<const Segment>, int,
                                     std::span<const WindowRun>) noexcept;

}  // namespace onecopy::windows
