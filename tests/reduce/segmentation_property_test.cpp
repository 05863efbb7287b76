// However the two lists are cut, the same elements meet: any segmentation gives the bytes and the
// count of one contiguous run on each side.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "reference.hpp"
#include "remote.hpp"

namespace onecopy::test {
namespace {

/// Where the pieces of a list lie: element counts (0 among them) and gaps between them in bytes.
struct Piece {
    std::size_t offset;
    std::size_t bytes;
};

std::vector<Piece> cut(std::size_t elements, std::size_t element, std::mt19937_64& random) {
    std::vector<Piece> pieces;
    std::size_t at = random() % 9;
    const std::size_t most = std::size_t{1} << (random() % 16);  // many small ones, or few large
    while (elements > 0) {
        const std::size_t take =
            random() % 8 == 0 ? 0 : std::min<std::size_t>(elements, 1 + random() % most);
        pieces.push_back({at, take * element});
        at += take * element + (random() % 3 == 0 ? random() % 11 : 0);
        elements -= take;
    }
    if (random() % 2 == 0) std::shuffle(pieces.begin(), pieces.end(), random);
    return pieces;
}

std::size_t extent(const std::vector<Piece>& pieces) {
    std::size_t end = 1;
    for (const Piece& piece : pieces) end = std::max(end, piece.offset + piece.bytes);
    return end;
}

/// The bytes of the pieces, in the list's order.
Bytes collect(const std::vector<Piece>& pieces, const Bytes& memory) {
    Bytes all;
    for (const Piece& piece : pieces) {
        const auto from = memory.begin() + static_cast<std::ptrdiff_t>(piece.offset);
        all.insert(all.end(), from, from + static_cast<std::ptrdiff_t>(piece.bytes));
    }
    return all;
}

Bytes spread(const std::vector<Piece>& pieces, const Bytes& all, Bytes memory) {
    std::size_t at = 0;
    for (const Piece& piece : pieces) {
        std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(at), piece.bytes,
                    memory.begin() + static_cast<std::ptrdiff_t>(piece.offset));
        at += piece.bytes;
    }
    return memory;
}

/// One random case: lists, contents, operation, and how many elements each list has.
struct Case {
    explicit Case(std::uint64_t seed) : random(seed) {
        do {
            op = reference::all_ops[random() % std::size(reference::all_ops)];
            type = reference::all_types[random() % std::size(reference::all_types)];
        } while (!reference::mpi_allows(op, type));
        element = size_of(type);
        order = random() % 2 == 0 ? Order::local_op_remote : Order::remote_op_local;
        // Mostly small; now and then more than two tiles.
        const std::size_t most = random() % 8 == 0 ? (std::size_t{1200} << 10) / element : 300;
        local_elements = random() % (most + 1);
        remote_elements = random() % 4 == 0 ? random() % (most + 1) : local_elements;
        local = cut(local_elements, element, random);
        remote = cut(remote_elements, element, random);
        mine = spread(local, reference::sample(type, local_elements, random),
                      Bytes(extent(local), 0xee));
        theirs = spread(remote, reference::sample(type, remote_elements, random),
                        Bytes(extent(remote), 0xdd));
    }

    [[nodiscard]] std::size_t bytes() const {
        return std::min(local_elements, remote_elements) * element;
    }

    /// The list's elements after the operation, those beyond the shorter list as they were.
    [[nodiscard]] Bytes combined(bool into) const {
        Bytes here = collect(local, mine);
        Bytes there = collect(remote, theirs);
        Bytes result = into ? there : here;
        here.resize(bytes());
        there.resize(bytes());
        Bytes front;
        if (op == Op::replace || op == Op::no_op)  // the right operand is the one that arrives
            front = into ? reference::apply(op, type, there, here)
                         : reference::apply(op, type, here, there);
        else if (order == Order::local_op_remote)
            front = reference::apply(op, type, here, there);
        else
            front = reference::apply(op, type, there, here);
        std::copy(front.begin(), front.end(), result.begin());
        return result;
    }

    std::mt19937_64 random;
    Op op{};
    Type type{};
    Order order{};
    std::size_t element = 0, local_elements = 0, remote_elements = 0;
    std::vector<Piece> local, remote;
    Bytes mine, theirs;
};

template <class S>
std::vector<S> segments_of(const std::vector<Piece>& pieces, Bytes& memory) {
    std::vector<S> list;
    for (const Piece& piece : pieces)
        list.push_back(
            std::as_writable_bytes(std::span(memory)).subspan(piece.offset, piece.bytes));
    return list;
}

std::vector<RemoteSegment> segments_of(const std::vector<Piece>& pieces, const Remote& remote) {
    std::vector<RemoteSegment> list;
    for (const Piece& piece : pieces) list.push_back({remote.address(piece.offset), piece.bytes});
    return list;
}

RC_GTEST_PROP(ReduceSegmentation, AnyTwoListsGiveWhatOneRunOnEachSideGives, (std::uint64_t seed)) {
    const Case test(seed);
    Remote remote(test.theirs.size());
    remote.put(0, test.theirs);
    const Process& process = remote.start();
    Bytes memory = test.mine;
    const Transfer done = reduce(process, segments_of<Segment>(test.local, memory),
                                 segments_of(test.remote, remote), test.op, test.type, test.order);
    RC_ASSERT(!done.error);
    RC_ASSERT(done.bytes == test.bytes());
    RC_ASSERT(memory == spread(test.local, test.combined(false), test.mine));
}

RC_GTEST_PROP(ReduceSegmentation, SoDoesTheMirrorImage, (std::uint64_t seed)) {
    Case test(seed);
    Remote remote(test.theirs.size());
    remote.put(0, test.theirs);
    const Process& process = remote.start();
    const Transfer done =
        reduce_into(process, segments_of<ConstSegment>(test.local, test.mine),
                    segments_of(test.remote, remote), test.op, test.type, test.order);
    RC_ASSERT(!done.error);
    RC_ASSERT(done.bytes == test.bytes());
    RC_ASSERT(remote.get(0, test.theirs.size()) ==
              spread(test.remote, test.combined(true), test.theirs));
}

RC_GTEST_PROP(ReduceSegmentation, AHoleAnywhereStopsAtTheLastWholeElementBeforeIt,
              (std::uint64_t seed)) {
    // A remote list of runs in order, and one of its pages is taken away.
    Case test(seed);
    std::sort(test.remote.begin(), test.remote.end(),
              [](const Piece& a, const Piece& b) { return a.offset < b.offset; });
    Remote remote(test.theirs.size());
    remote.put(0, test.theirs);
    const std::size_t hole = test.random() % (test.theirs.size() / page + 1);
    remote.protect(hole, Page::no_access);
    const Process& process = remote.start();
    // Elements whose last byte lies before the hole, until the first that touches it.
    std::size_t good = 0;
    for (const Piece& piece : test.remote) {
        bool stopped = false;
        for (std::size_t at = piece.offset; at < piece.offset + piece.bytes; at += test.element) {
            stopped = at + test.element > hole * page && at < (hole + 1) * page;
            if (stopped) break;
            good += test.element;
        }
        if (stopped) break;
    }
    const bool hits = good < test.bytes() && test.op != Op::no_op;
    const std::size_t expected = hits ? good : test.bytes();
    Bytes memory = test.mine;
    const Transfer done = reduce(process, segments_of<Segment>(test.local, memory),
                                 segments_of(test.remote, remote), test.op, test.type, test.order);
    RC_ASSERT(done.bytes == expected);
    RC_ASSERT(static_cast<bool>(done.error) == hits);
    Bytes result = collect(test.local, test.mine);
    const Bytes all = test.combined(false);
    std::copy_n(all.begin(), expected, result.begin());
    RC_ASSERT(memory == spread(test.local, result, test.mine));
}

}  // namespace
}  // namespace onecopy::test
