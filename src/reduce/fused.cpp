// reduce(): remote bytes come through a tile that stays in cache and are combined there.
//
// One tile is one read(): one system call for all its remote runs, one check that the target still
// was the target, then the kernels, one call for each stretch of local memory. So the source never
// exists as a whole in this process, and a count of bytes combined never runs ahead of what was
// verified.

#include <algorithm>
#include <cerrno>

#include "attach/read_at_once.hpp"
#include "reduce/combiner.hpp"
#include "reduce/mapped.hpp"
#include "reduce/tile.hpp"

namespace onecopy {
namespace {

using reduction::Combiner;
using reduction::Room;
using reduction::Runs;

/// Messages up to this size use a tile on the stack: the thread's own room would gain them
/// nothing.
constexpr std::size_t small_bytes = 2048;

Transfer failed(int error) noexcept { return {0, std::error_code(error, std::system_category())}; }

/// From this size on, local memory is asked for ahead of the kernels. Below, the caches have it in
/// time, and cutting the work into strides costs up to 8 % (docs/decisions/010).
constexpr std::uint64_t far_bytes = 6 << 20;

/// How far ahead of the kernels local memory is asked for, and by how much at a time. The processor
/// itself looks ahead no further than the page; two pages ahead, the next one's translation is
/// there when the kernels are.
constexpr std::size_t ahead_bytes = 8192;
constexpr std::size_t stride_bytes = 2048;

/// Combines `bytes` at `here`; `left` bytes from there on are this local segment's.
void combine_run(const Combiner& combine, std::byte* here, const std::byte* tile, std::size_t bytes,
                 std::uint64_t left, bool far) noexcept {
    if (!far) return combine(here, tile, here, bytes);
    const std::size_t element = combine.element_bytes();
    const std::size_t stride = std::max(stride_bytes / element, std::size_t{1}) * element;
    while (bytes > 0) {
        const std::size_t part = std::min(stride, bytes);
        if (left >= ahead_bytes + part)
            for (std::size_t line = 0; line < part; line += 64)
                __builtin_prefetch(here + ahead_bytes + line, 1);
        combine(here, tile, here, part);
        here += part;
        tile += part;
        bytes -= part;
        left -= part;
    }
}

/// Combines the first `bytes` of the tile with the local memory that follows.
void spread(const Combiner& combine, plan::Cursor<Segment>& local, const std::byte* tile,
            std::size_t bytes, bool far) noexcept {
    while (bytes > 0) {
        const plan::Run run = local.run();
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(run.bytes, bytes));
        auto* const here = reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(run.address));
        combine_run(combine, here, tile, part, run.bytes, far);
        local.advance(part);
        tile += part;
        bytes -= part;
    }
}

/// Fetches and combines `total` bytes by tiles of `chunk` bytes, a whole number of elements; what
/// is mapped here needs no tile.
Transfer through(const Process& from, std::span<const Segment> local,
                 std::span<const RemoteSegment> remote, const Combiner& combine,
                 std::uint64_t total, std::byte* tile, std::size_t chunk) noexcept {
    plan::Cursor to(local.data(), local.size());
    plan::Cursor source(remote.data(), remote.size());
    Runs runs;
    Transfer result;
    const bool mapped = from.target().peer_memory() != nullptr;
    while (result.bytes < total) {
        std::size_t bytes = chunk;
        if (mapped) {
            bytes = reduction::combine_mapped(from, to, source, combine, reduction::Into::local,
                                              total, chunk, result.bytes);
            if (result.bytes == total) break;
        }
        runs.take(source, std::min<std::uint64_t>(bytes, total - result.bytes));
        const Segment fetched(tile, runs.bytes);
        const Transfer got = read(from, runs.span(), std::span(&fetched, 1));
        const auto whole =
            static_cast<std::size_t>(got.bytes - got.bytes % combine.element_bytes());
        spread(combine, to, tile, whole, total >= far_bytes);
        result.bytes += whole;
        if (got.error) {
            result.error = got.error;
            break;
        }
    }
    return result;
}

/// The common case: one run on each side, equally long and no longer than the tile. Written flat,
/// and with all that can be known before the system call done before it, because behind one the
/// processor has forgotten where returns and indirect calls lead. False if anything was unusual;
/// nothing has happened then.
[[gnu::always_inline]] inline bool combined_at_once(const Process& from, const Segment& local,
                                                    const RemoteSegment& remote,
                                                    const Combiner& combine, std::size_t count,
                                                    std::byte* tile) noexcept {
    if (!attach::read_at_once(from.target(), remote, Segment(tile, local.size()))) return false;
    combine.elements(local.data(), tile, local.data(), count);
    return true;
}

/// The same for messages up to small_bytes.
[[gnu::always_inline]] inline bool small_combined_at_once(const Process& from, const Segment& local,
                                                          const RemoteSegment& remote,
                                                          const Combiner& combine) noexcept {
    const std::size_t count = local.size() / combine.element_bytes();
    if (count * combine.element_bytes() != local.size() || count == 0) return false;
    alignas(64) std::byte tile[small_bytes];
    return combined_at_once(from, local, remote, combine, count, tile);
}

Transfer fetch(const Process& from, std::span<const Segment> local,
               std::span<const RemoteSegment> remote, const Combiner& combine) noexcept {
    if (!combine.usable()) return failed(EINVAL);
    const std::size_t element = combine.element_bytes();
    bool whole = true;
    const std::uint64_t total = reduction::measure(local, remote, element, whole);
    if (!whole) return failed(EINVAL);
    if (total == 0) return {};
    if (from.empty()) return failed(ESRCH);

    if (total <= small_bytes) {
        alignas(64) std::byte tile[small_bytes];
        return through(from, local, remote, combine, total, tile, small_bytes);
    }
    const std::size_t chunk = std::max(reduction::tile_bytes() / element, std::size_t{1}) * element;
    const Room room(static_cast<std::size_t>(std::min<std::uint64_t>(chunk, total)));
    if (room.data() == nullptr) return failed(ENOMEM);
    const bool plain = local.size() == 1 && remote.size() == 1 && local[0].size() == total &&
                       remote[0].bytes == total;
    const Transfer all{total, {}};
    if (plain && total <= chunk &&
        combined_at_once(from, local[0], remote[0], combine, local[0].size() / element,
                         room.data()))
        return all;
    return through(from, local, remote, combine, total, room.data(), chunk);
}

}  // namespace

Transfer reduce(const Process& from, std::span<const Segment> local,
                std::span<const RemoteSegment> remote, Op op, Type type, Order order) noexcept {
    const bool moves = op == Op::replace || op == Op::no_op;
    const Combiner combine(op, type, moves || order == Order::local_op_remote);
    if (!moves || !combine.usable()) {
        const bool small = local.size() == 1 && remote.size() == 1 &&
                           local[0].size() == remote[0].bytes && local[0].size() <= small_bytes &&
                           combine.usable() && !from.empty();
        const Transfer all{small ? remote[0].bytes : 0, {}};
        if (small && small_combined_at_once(from, local[0], remote[0], combine)) return all;
        return fetch(from, local, remote, combine);
    }

    bool whole = true;
    const std::uint64_t total = reduction::measure(local, remote, combine.element_bytes(), whole);
    if (!whole) return failed(EINVAL);
    if (op == Op::no_op) return {total, {}};
    // A copy needs no tile, unless a hole could leave part of an element in local memory.
    if (!reduction::never_torn(remote, combine.element_bytes()))
        return fetch(from, local, remote, combine);
    Transfer moved = read(from, remote, local);
    moved.bytes -= moved.bytes % combine.element_bytes();  // a bad *local* page can cut one
    return moved;
}

Transfer reduce(const Process& from, std::span<const Segment> local,
                std::span<const RemoteSegment> remote, const Function& function,
                Order order) noexcept {
    return fetch(from, local, remote, Combiner(function, order == Order::local_op_remote));
}

}  // namespace onecopy
