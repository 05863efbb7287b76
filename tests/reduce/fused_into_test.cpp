// reduce_into(): the mirror image, by each of the two ways a write can take.
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <random>

#include "reference.hpp"
#include "remote.hpp"

namespace onecopy::test {
namespace {

/// Held: process_vm_writev. Not held: /proc/PID/mem.
class ReduceInto : public testing::TestWithParam<bool> {
protected:
    static bool held() { return GetParam(); }
    std::mt19937_64 random_{11};  // NOLINT(cert-msc51-cpp): the same numbers in every run
};

INSTANTIATE_TEST_SUITE_P(Reduce, ReduceInto, testing::Bool(), [](const auto& chosen) {
    return std::string(chosen.param ? "BySystemCall" : "ByProcMem");
});

TEST_P(ReduceInto, CombinesEveryAllowedPairInBothOrdersAtOddAddresses) {
    constexpr std::size_t count = 77;
    for (const Type type : reference::all_types) {
        const Bytes theirs = reference::sample(type, count, random_);
        Remote remote(64 * page);
        std::vector<std::pair<Op, Order>> cases;
        for (const Op op : reference::all_ops)
            if (reference::mpi_allows(op, type))
                for (const Order order : {Order::local_op_remote, Order::remote_op_local}) {
                    remote.put(cases.size() * theirs.size() + 1, theirs);
                    cases.emplace_back(op, order);
                }
        const Process& process = remote.start(held());
        for (std::size_t i = 0; i < cases.size(); ++i) {
            const auto [op, order] = cases[i];
            const Bytes mine = reference::sample(type, count, random_);
            const std::size_t at = i * theirs.size() + 1;
            const Transfer done = reduce_one_into(
                process, segment(mine), {remote.address(at), mine.size()}, op, type, order);
            ASSERT_FALSE(done.error) << done.error.message();
            ASSERT_EQ(done.bytes, mine.size());
            // replace stores the local value and no_op changes nothing, in either order.
            const bool moves = op == Op::replace || op == Op::no_op;
            const Bytes right = moves || order == Order::remote_op_local
                                    ? reference::apply(op, type, theirs, mine)
                                    : reference::apply(op, type, mine, theirs);
            ASSERT_EQ(remote.get(at, mine.size()), right) << reference::describe(op, type);
        }
    }
}

TEST_P(ReduceInto, GoesThroughManyTilesAndManySegments) {
    constexpr std::size_t bytes = 1200000;
    Bytes theirs(bytes);
    Bytes mine(bytes);
    for (std::size_t i = 0; i < bytes; ++i) {
        theirs[i] = static_cast<unsigned char>(i * 7);
        mine[i] = static_cast<unsigned char>(i * i);
    }
    Remote remote(2 * bytes);
    // The remote list runs backwards, in pieces of 4,000 bytes.
    std::vector<RemoteSegment> there;
    std::vector<ConstSegment> here;
    for (std::size_t at = 0; at < bytes; at += 4000) {
        const std::size_t far = bytes - 4000 - at;
        remote.put(far, Bytes(theirs.begin() + static_cast<std::ptrdiff_t>(at),
                              theirs.begin() + static_cast<std::ptrdiff_t>(at + 4000)));
        there.push_back({remote.address(far), 4000});
    }
    for (std::size_t at = 0; at < bytes; at += 30000)
        here.push_back(std::as_bytes(std::span(mine)).subspan(at, 30000));
    const Process& process = remote.start(held());
    const Transfer done = reduce_into(process, here, there, Op::sum, Type::uint16);
    EXPECT_FALSE(done.error);
    EXPECT_EQ(done.bytes, bytes);
    const Bytes right = reference::apply(Op::sum, Type::uint16, theirs, mine);
    for (std::size_t at = 0; at < bytes; at += 4000)
        ASSERT_EQ(remote.get(bytes - 4000 - at, 4000),
                  Bytes(right.begin() + static_cast<std::ptrdiff_t>(at),
                        right.begin() + static_cast<std::ptrdiff_t>(at + 4000)));
}

TEST_P(ReduceInto, RefusesBeforeAnythingMoves) {
    Remote remote(page);
    remote.put(0, Bytes(64, 1));
    const Process& process = remote.start(held());
    const Bytes local(64, 2);
    const std::uint64_t there = remote.address();
    const auto refused = [&](const Transfer& done) {
        return done.bytes == 0 && done.error == std::errc::invalid_argument &&
               remote.get(0, 64) == Bytes(64, 1);
    };
    EXPECT_TRUE(
        refused(reduce_one_into(process, segment(local), {there, 64}, Op::bor, Type::float32)));
    EXPECT_TRUE(
        refused(reduce_one_into(process, segment(local), {there, 63}, Op::sum, Type::int16)));
    EXPECT_TRUE(
        refused(reduce_one_into(process, segment(local), {there, 63}, Op::replace, Type::int16)));
    EXPECT_TRUE(refused(
        reduce_one_into(process, segment(local).first(63), {there, 64}, Op::no_op, Type::int16)));
    EXPECT_TRUE(refused(
        reduce_one_into(process, segment(local), {there, 64}, Function{nullptr, 8, nullptr})));
}

TEST_P(ReduceInto, AnElementThatReachesIntoReadOnlyMemoryIsPutBackAsItWas) {
    for (const Type type : {Type::int16, Type::float64, Type::long_double_int}) {
        const std::size_t element = size_of(type);
        for (const Op op : {Op::sum, Op::minloc, Op::replace}) {
            if (!allowed(op, type)) continue;
            for (std::size_t cut = 0; cut < element; ++cut) {
                Remote remote(3 * page);
                const std::size_t start = 2 * page - 10 * element - cut;
                const Bytes theirs = reference::sample(type, 20, random_);
                const Bytes mine = reference::sample(type, 20, random_);
                // Three more elements come first, from elsewhere.
                const Bytes early = reference::sample(type, 3, random_);
                Bytes all = reference::sample(type, 3, random_);
                all.insert(all.end(), mine.begin(), mine.end());
                remote.put(1, early);
                remote.put(start, theirs);
                remote.protect(2, Page::read_only);
                const Process& process = remote.start(held());
                const ConstSegment local = segment(all);
                const RemoteSegment there[] = {{remote.address(1), early.size()},
                                               {remote.address(start), theirs.size()}};
                const Transfer done = reduce_into(process, std::span(&local, 1), there, op, type);
                EXPECT_EQ(done.error, std::errc::bad_address);
                ASSERT_EQ(done.bytes, 13 * element);
                Bytes right = reference::apply(op, type, theirs, mine);
                std::copy(theirs.begin() + static_cast<std::ptrdiff_t>(10 * element), theirs.end(),
                          right.begin() + static_cast<std::ptrdiff_t>(10 * element));
                ASSERT_EQ(remote.get(start, right.size()), right)
                    << reference::describe(op, type) << ", cut at " << cut;
                all.resize(early.size());
                ASSERT_EQ(remote.get(1, early.size()), reference::apply(op, type, early, all));
            }
        }
    }
}

TEST_P(ReduceInto, StopsAtAHoleAfterTheWholeElements) {
    Remote remote(3 * page);
    remote.put(0, Bytes(2 * page, 1));
    remote.protect(2, Page::hole);
    const Process& process = remote.start(held());
    const Bytes mine(2 * page, 1);
    const Transfer done = reduce_one_into(
        process, segment(mine), {remote.address(page + 5), mine.size()}, Op::sum, Type::uint64);
    EXPECT_EQ(done.error, std::errc::bad_address);
    EXPECT_EQ(done.bytes, page - 8);
    Bytes right(page, 2);
    right.resize(page - 8);
    right.insert(right.end(), 3, 1);
    EXPECT_EQ(remote.get(page + 5, page - 5), right);
}

TEST_P(ReduceInto, CallsAFunctionOfTheCallersInHisOrderAndLeavesWhatItLeaves) {
    // Writes the first of two bytes only: the second must stay what the target had.
    const Function half{[](const void* l, const void* r, void* c, std::size_t count, void*) {
                            const auto* a = static_cast<const unsigned char*>(l);
                            const auto* b = static_cast<const unsigned char*>(r);
                            auto* d = static_cast<unsigned char*>(c);
                            for (std::size_t i = 0; i < 2 * count; i += 2)
                                d[i] = static_cast<unsigned char>(a[i] - 2 * b[i]);
                        },
                        2, nullptr};
    constexpr std::size_t bytes = 1200000;
    for (const Order order : {Order::remote_op_local, Order::local_op_remote}) {
        Remote remote(bytes);
        Bytes theirs(bytes);
        Bytes mine(bytes);
        Bytes right(bytes);
        for (std::size_t i = 0; i < bytes; ++i) {
            theirs[i] = static_cast<unsigned char>(i * 3);
            mine[i] = static_cast<unsigned char>(i * i + 1);
            const int value =
                order == Order::remote_op_local ? theirs[i] - 2 * mine[i] : mine[i] - 2 * theirs[i];
            right[i] = i % 2 == 0 ? static_cast<unsigned char>(value) : theirs[i];
        }
        remote.put(0, theirs);
        const Process& process = remote.start(held());
        EXPECT_EQ(
            reduce_one_into(process, segment(mine), {remote.address(), bytes}, half, order).bytes,
            bytes);
        EXPECT_EQ(remote.get(0, bytes), right);
    }
}

TEST_P(ReduceInto, ATargetKilledHalfWayCountsWhatWasWritten) {
    constexpr std::size_t bytes = 4 << 20;
    Remote remote(bytes);
    const Process& process = remote.start(held());
    struct Killer {
        Child* child;
        std::size_t calls;
        std::size_t first;
    };
    Killer killer{&remote.child(), 0, 0};
    const Function kills{
        [](const void* l, const void* r, void* c, std::size_t count, void* context) {
            auto& k = *static_cast<Killer*>(context);
            combine(Op::sum, Type::uint8, l, r, c, count);
            if (k.calls == 0) k.first = count;
            if (++k.calls == 2) k.child->kill();
        },
        1, &killer};
    const Bytes local(bytes, 1);
    const Transfer done =
        reduce_one_into(process, segment(local), {remote.address(), bytes}, kills);
    EXPECT_EQ(done.error, std::errc::no_such_process);
    EXPECT_EQ(done.bytes, killer.first);
    EXPECT_EQ(killer.calls, 2U);
}

TEST_P(ReduceInto, NoOpNeverLooksAtTheRemoteSide) {
    Remote remote(page);
    const Process& process = remote.start(held());
    remote.child().kill();
    const Bytes local(64, 1);
    const Transfer done =
        reduce_one_into(process, segment(local), {0xdead0000, 32}, Op::no_op, Type::float64);
    EXPECT_FALSE(done.error);
    EXPECT_EQ(done.bytes, 32U);
}

}  // namespace
}  // namespace onecopy::test
