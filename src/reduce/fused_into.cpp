// reduce_into(): the mirror image. Fetch a tile, combine it with local memory into a second tile,
// write that back.
//
// Elements are written whole or not at all. A write stops where the target's memory does, and that
// may be inside an element that lies across a page border; the bytes already written there are put
// back from the first tile, which still holds what the target had. (Best effort: between the two
// writes the target can see the torn element, and if the target dies, nothing is put back.)

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "reduce/combiner.hpp"
#include "reduce/mapped.hpp"
#include "reduce/tile.hpp"

namespace onecopy {
namespace {

using reduction::Combiner;
using reduction::Room;
using reduction::Runs;

Transfer failed(int error) noexcept { return {0, std::error_code(error, std::system_category())}; }

/// Combines `bytes` that were fetched with the local memory that follows, into `results`.
void gather(const Combiner& combine, plan::Cursor<ConstSegment>& local, const std::byte* fetched,
            std::byte* results, std::size_t bytes) noexcept {
    if (combine.is_foreign()) {
        // It may leave padding as it was, and what is there goes to the target: its own bytes.
        std::memcpy(results, fetched, bytes);
        fetched = results;
    }
    while (bytes > 0) {
        const plan::Run run = local.run();
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(run.bytes, bytes));
        const auto* const here =
            reinterpret_cast<const std::byte*>(static_cast<std::uintptr_t>(run.address));
        combine(here, fetched, results, part);
        local.advance(part);
        fetched += part;
        results += part;
        bytes -= part;
    }
}

/// Writes the results back; whole elements. `fetched` is what the target had there.
Transfer put_back(const Process& to, const Runs& runs, const std::byte* fetched,
                  const std::byte* results, std::size_t bytes, std::size_t element) noexcept {
    const ConstSegment all(results, bytes);
    Transfer put = write(to, std::span(&all, 1), runs.span());
    const auto torn = static_cast<std::size_t>(put.bytes % element);
    if (torn == 0) return put;
    put.bytes -= torn;
    const ConstSegment before(fetched + put.bytes, torn);
    static_cast<void>(write(to, before, runs.address_of(put.bytes)));
    return put;
}

Transfer update(const Process& to, std::span<const ConstSegment> local,
                std::span<const RemoteSegment> remote, const Combiner& combine) noexcept {
    bool whole = combine.usable();
    const std::uint64_t total =
        whole ? reduction::measure(local, remote, combine.element_bytes(), whole) : 0;
    if (!whole) return failed(EINVAL);
    if (total == 0) return {};
    if (to.empty()) return failed(ESRCH);

    const std::size_t element = combine.element_bytes();
    const auto chunk = static_cast<std::size_t>(std::min<std::uint64_t>(
        std::max(reduction::tile_bytes() / element, std::size_t{1}) * element, total));
    const Room room(2 * chunk);
    if (room.data() == nullptr) return failed(ENOMEM);
    std::byte* const fetched = room.data();
    std::byte* const results = fetched + chunk;

    plan::Cursor from(local.data(), local.size());
    plan::Cursor target(remote.data(), remote.size());
    Runs runs;
    Transfer result;
    const bool mapped = to.target().peer_memory() != nullptr;
    while (result.bytes < total) {
        std::size_t bytes = chunk;
        if (mapped) {
            bytes = reduction::combine_mapped(to, from, target, combine, reduction::Into::remote,
                                              total, chunk, result.bytes);
            if (result.bytes == total) break;
        }
        runs.take(target, std::min<std::uint64_t>(bytes, total - result.bytes));
        const Segment tile(fetched, runs.bytes);
        const Transfer got = read(to, runs.span(), std::span(&tile, 1));
        const auto good = static_cast<std::size_t>(got.bytes - got.bytes % element);
        gather(combine, from, fetched, results, good);
        if (good > 0) {
            const Transfer put = put_back(to, runs, fetched, results, good, element);
            result.bytes += put.bytes;
            if (put.error) {
                result.error = put.error;
                break;
            }
        }
        if (got.error) {
            result.error = got.error;
            break;
        }
    }
    return result;
}

}  // namespace

Transfer reduce_into(const Process& to, std::span<const ConstSegment> local,
                     std::span<const RemoteSegment> remote, Op op, Type type,
                     Order order) noexcept {
    const bool moves = op == Op::replace || op == Op::no_op;
    const Combiner combine(op, type, !moves && order == Order::local_op_remote);
    if (!moves || !combine.usable()) return update(to, local, remote, combine);

    bool whole = true;
    const std::uint64_t total = reduction::measure(local, remote, combine.element_bytes(), whole);
    if (!whole) return failed(EINVAL);
    if (op == Op::no_op) return {total, {}};
    // Where no element can be torn there is nothing to put back, so nothing to fetch.
    if (!reduction::never_torn(remote, combine.element_bytes()) ||
        !reduction::never_torn(local, combine.element_bytes()))
        return update(to, local, remote, combine);
    return write(to, local, remote);
}

Transfer reduce_into(const Process& to, std::span<const ConstSegment> local,
                     std::span<const RemoteSegment> remote, const Function& function,
                     Order order) noexcept {
    return update(to, local, remote, Combiner(function, order == Order::local_op_remote));
}

}  // namespace onecopy
