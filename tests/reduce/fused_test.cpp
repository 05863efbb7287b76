// reduce(): what arrives, in which order it is combined, where it stops.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>
#include <numeric>
#include <random>
#include <thread>

#include "reference.hpp"
#include "remote.hpp"

namespace onecopy::test {
namespace {

std::mt19937_64 random_bits(7);  // NOLINT(cert-msc51-cpp): the same numbers in every run

/// Left op right by the reference, in the order asked for.
Bytes expected(Op op, Type type, const Bytes& local, const Bytes& remote, Order order) {
    const bool moves = op == Op::replace || op == Op::no_op;
    return moves || order == Order::local_op_remote ? reference::apply(op, type, local, remote)
                                                    : reference::apply(op, type, remote, local);
}

TEST(Reduce, CombinesEveryAllowedPairInBothOrdersAtOddAddresses) {
    constexpr std::size_t count = 77;
    Remote remote(1 << 20);
    std::vector<Bytes> theirs;
    std::size_t offset = 1;
    for (const Type type : reference::all_types) {
        theirs.push_back(reference::sample(type, count, random_bits));
        remote.put(offset, theirs.back());
        offset += theirs.back().size();
    }
    const Process& process = remote.start();
    offset = 1;
    for (std::size_t i = 0; i < theirs.size(); ++i) {
        const Type type = reference::all_types[i];
        for (const Op op : reference::all_ops) {
            if (!reference::mpi_allows(op, type)) continue;
            for (const Order order : {Order::local_op_remote, Order::remote_op_local}) {
                const Bytes mine = reference::sample(type, count, random_bits);
                Bytes local(mine.size() + 3);
                std::memcpy(local.data() + 3, mine.data(), mine.size());
                const Transfer done =
                    reduce_one(process, segment(local).subspan(3),
                               {remote.address(offset), mine.size()}, op, type, order);
                ASSERT_FALSE(done.error) << done.error.message();
                ASSERT_EQ(done.bytes, mine.size());
                local.erase(local.begin(), local.begin() + 3);
                ASSERT_EQ(local, expected(op, type, mine, theirs[i], order))
                    << reference::describe(op, type);
            }
        }
        offset += theirs[i].size();
    }
}

TEST(Reduce, GoesThroughManyTilesWithoutSkippingOrRepeatingAnElement) {
    for (const std::size_t elements : {300U, 32768U, 32769U, 1000003U}) {
        std::vector<std::uint64_t> mine(elements);
        std::iota(mine.begin(), mine.end(), 5);
        Bytes theirs(8 * elements);
        for (std::uint64_t i = 0; i < elements; ++i) {
            const std::uint64_t value = i * i;
            std::memcpy(&theirs[8 * static_cast<std::size_t>(i)], &value, 8);
        }
        Remote remote(8 * elements);
        remote.put(0, theirs);
        const Segment local = std::as_writable_bytes(std::span(mine));
        const Transfer done = reduce_one(remote.start(), local, {remote.address(), 8 * elements},
                                         Op::sum, Type::uint64);
        EXPECT_FALSE(done.error);
        EXPECT_EQ(done.bytes, 8 * elements);
        std::size_t wrong = 0;
        for (std::uint64_t i = 0; i < elements; ++i)
            wrong += mine[static_cast<std::size_t>(i)] != i + 5 + i * i ? 1 : 0;
        EXPECT_EQ(wrong, 0U);
    }
}

TEST(Reduce, EndsWithTheShorterList) {
    Remote remote(page);
    remote.put(0, Bytes(64, 1));
    const Process& process = remote.start();
    Bytes local(64, 2);
    EXPECT_EQ(
        reduce_one(process, segment(local), {remote.address(), 24}, Op::sum, Type::int8).bytes,
        24U);
    EXPECT_EQ(local[23], 3);
    EXPECT_EQ(local[24], 2);
    EXPECT_EQ(
        reduce_one(process, segment(local).first(8), {remote.address(), 64}, Op::sum, Type::int8)
            .bytes,
        8U);
    EXPECT_EQ(local[7], 4);
    EXPECT_EQ(local[8], 3);
    const Transfer none = reduce(process, {}, {}, Op::sum, Type::int8);
    EXPECT_EQ(none.bytes, 0U);
    EXPECT_FALSE(none.error);
}

TEST(Reduce, RefusesBeforeAnythingMoves) {
    Remote remote(page);
    remote.put(0, Bytes(64, 1));
    const Process& process = remote.start();
    Bytes local(64, 2);
    const Bytes before = local;
    const auto refused = [&](std::vector<Segment> mine, std::vector<RemoteSegment> theirs, Op op,
                             Type type) {
        const Transfer done = reduce(process, mine, theirs, op, type);
        return done.bytes == 0 && done.error == std::errc::invalid_argument && local == before;
    };
    const Segment whole = segment(local);
    const std::uint64_t there = remote.address();
    EXPECT_TRUE(refused({whole}, {{there, 64}}, Op::band, Type::float32)) << "not in the table";
    EXPECT_TRUE(refused({whole}, {{there, 64}}, static_cast<Op>(0), Type::float32));
    EXPECT_TRUE(refused({whole}, {{there, 64}}, Op::sum, static_cast<Type>(99)));
    EXPECT_TRUE(refused({whole.first(60)}, {{there, 64}}, Op::sum, Type::float64));
    EXPECT_TRUE(refused({whole}, {{there, 60}}, Op::sum, Type::float64));
    // The cut element stands last, behind good ones and behind the end of the other list.
    EXPECT_TRUE(
        refused({whole.first(8)}, {{there, 8}, {there, 0}, {there, 9}}, Op::sum, Type::float64));
    EXPECT_TRUE(
        refused({whole.first(8), whole.subspan(8, 4)}, {{there, 8}}, Op::sum, Type::float64));
    EXPECT_TRUE(refused({whole.first(8)}, {{there, 7}}, Op::replace, Type::float64));
    EXPECT_TRUE(refused({whole.first(8)}, {{there, 7}}, Op::no_op, Type::float64));
    // A caller's function.
    const Function nothing{nullptr, 8, nullptr};
    const Function no_size{[](auto, auto, auto, auto, auto) {}, 0, nullptr};
    const Function size_seven{[](auto, auto, auto, auto, auto) {}, 7, nullptr};
    for (const Function& function : {nothing, no_size, size_seven}) {
        const Transfer done = reduce_one(process, whole, {there, 64}, function);
        EXPECT_EQ(done.error, std::errc::invalid_argument);
        EXPECT_EQ(done.bytes, 0U);
    }
    // Empty segments are fine, wherever they point.
    const std::vector<Segment> mine{whole.first(0), whole.first(8), whole.first(0)};
    const std::vector<RemoteSegment> theirs{{1, 0}, {there, 8}, {~0ULL, 0}};
    EXPECT_EQ(reduce(process, mine, theirs, Op::sum, Type::float64).bytes, 8U);
}

TEST(Reduce, CountsTheWholeElementsBeforeAHole) {
    // The hole begins at a border of elements, or cuts one by any number of bytes.
    for (const Type type : {Type::int8, Type::int16, Type::float64, Type::complex_double,
                            Type::long_double, Type::long_double_int}) {
        const std::size_t element = size_of(type);
        for (const Op op : {Op::sum, Op::minloc, Op::replace}) {
            if (!allowed(op, type)) continue;
            for (std::size_t cut = 0; cut < element; ++cut) {
                Remote remote(3 * page);
                const std::size_t start = 2 * page - 10 * element - cut;
                const std::size_t count = 20;
                const Bytes theirs = reference::sample(type, count, random_bits);
                remote.put(start, theirs);
                remote.protect(2, Page::hole);
                const Process& process = remote.start();
                const Bytes mine = reference::sample(type, count, random_bits);
                Bytes local = mine;
                const Transfer done = reduce_one(
                    process, segment(local), {remote.address(start), count * element}, op, type);
                EXPECT_EQ(done.error, std::errc::bad_address);
                ASSERT_EQ(done.bytes, 10 * element);
                Bytes right = reference::apply(op, type, mine, theirs);
                std::copy(mine.begin() + static_cast<std::ptrdiff_t>(10 * element), mine.end(),
                          right.begin() + static_cast<std::ptrdiff_t>(10 * element));
                ASSERT_EQ(local, right) << reference::describe(op, type) << ", cut at " << cut;
            }
        }
    }
}

TEST(Reduce, StopsAtAPageThatMayNotBeRead) {
    for (const std::size_t bad : {0, 1, 170, 299}) {  // 300 pages: more than two tiles
        Remote remote(300 * page);
        remote.put(0, Bytes(300 * page, 1));
        remote.protect(bad, Page::no_access);
        const Process& process = remote.start();
        Bytes local(300 * page, 1);
        const Transfer done = reduce_one(process, segment(local), {remote.address(), local.size()},
                                         Op::sum, Type::uint8);
        EXPECT_EQ(done.bytes, bad * page);
        EXPECT_EQ(done.error, std::errc::bad_address);
        EXPECT_EQ(static_cast<std::size_t>(std::count(local.begin(), local.end(), 2)), bad * page);
    }
}

TEST(Reduce, AnElementAcrossAPageIsRightAtEveryOffset) {
    for (const Type type : {Type::int16, Type::float64, Type::long_double, Type::complex_double}) {
        const std::size_t element = size_of(type);
        Remote remote(2 * page);
        const Bytes theirs = reference::sample(type, 1, random_bits);
        const Bytes mine = reference::sample(type, 1, random_bits);
        const Process* process = nullptr;
        for (std::size_t before = 1; before < element; ++before) {
            remote.put(page - before, theirs);
            process = &remote.start();
            Bytes local = mine;
            const Transfer done = reduce_one(
                *process, segment(local), {remote.address(page - before), element}, Op::sum, type);
            EXPECT_EQ(done.bytes, element);
            EXPECT_EQ(local, reference::apply(Op::sum, type, mine, theirs));
        }
    }
}

TEST(Reduce, TheOrderOfOperandsIsTheCallers) {
    // minloc of equal values and indices keeps the right operand: tell them apart by a zero's sign.
    Remote remote(page);
    const double zeros[2] = {-0.0, 0.0};
    Bytes theirs(8);
    std::memcpy(theirs.data(), &zeros[0], 8);
    remote.put(0, theirs);
    const Process& process = remote.start();
    for (const Order order : {Order::local_op_remote, Order::remote_op_local}) {
        double mine = zeros[1];
        const Segment local = std::as_writable_bytes(std::span(&mine, 1));
        EXPECT_EQ(
            reduce_one(process, local, {remote.address(), 8}, Op::min, Type::float64, order).bytes,
            8U);
        EXPECT_EQ(std::signbit(mine), order == Order::local_op_remote);
    }
}

TEST(Reduce, ReplaceTakesTheRemoteValueAndNoOpKeepsTheLocalOneInEitherOrder) {
    Remote remote(page);
    remote.put(0, Bytes(page, 9));
    const Process& process = remote.start();
    for (const Order order : {Order::local_op_remote, Order::remote_op_local}) {
        for (const std::size_t odd : {0, 3}) {  // 3: through the tile, since elements could be torn
            Bytes local(64, 1);
            EXPECT_EQ(reduce_one(process, segment(local), {remote.address(odd), 64}, Op::replace,
                                 Type::float64, order)
                          .bytes,
                      64U);
            EXPECT_EQ(local, Bytes(64, 9));
            local.assign(64, 1);
            EXPECT_EQ(reduce_one(process, segment(local), {remote.address(odd), 64}, Op::no_op,
                                 Type::float64, order)
                          .bytes,
                      64U);
            EXPECT_EQ(local, Bytes(64, 1));
        }
    }
}

TEST(Reduce, ACopyIntoABadLocalPageCountsWholeElementsToo) {
    Remote remote(page);
    remote.put(0, Bytes(page, 9));
    const Process& process = remote.start();
    const Memory local({Page::writable, Page::no_access}, 0);
    const Transfer in = reduce_one(process, local.span(page - 43, 80), {remote.address(), 80},
                                   Op::replace, Type::float64);
    EXPECT_EQ(in.bytes, 40U);
    EXPECT_EQ(in.error, std::errc::bad_address);
    // Outwards the local elements are aligned (else this thread reads them, and it is a signal): then
    // no remote element can be cut.
    const Transfer out = reduce_one_into(process, local.span(page - 40, 80), {remote.address(), 80},
                                         Op::replace, Type::float64);
    EXPECT_EQ(out.bytes, 40U);
    EXPECT_EQ(out.error, std::errc::bad_address);
}

TEST(Reduce, NoOpNeverLooksAtTheRemoteSide) {
    Remote remote(page);
    const Process& process = remote.start();
    remote.child().kill();
    Bytes local(64, 1);
    const Transfer done =
        reduce_one(process, segment(local), {0xdead0000, 32}, Op::no_op, Type::float64);
    EXPECT_FALSE(done.error);
    EXPECT_EQ(done.bytes, 32U);
}

/// left - 2 * right on elements of three bytes (a number and its two shadows): does not commute.
void odd_difference(const void* left, const void* right, void* result, std::size_t count,
                    void* context) {
    const auto* a = static_cast<const unsigned char*>(left);
    const auto* b = static_cast<const unsigned char*>(right);
    auto* c = static_cast<unsigned char*>(result);
    for (std::size_t i = 0; i < 3 * count; ++i) c[i] = static_cast<unsigned char>(a[i] - 2 * b[i]);
    *static_cast<std::size_t*>(context) += count;
}

TEST(Reduce, CallsAFunctionOfTheCallersForEveryElementOnceInHisOrder) {
    constexpr std::size_t elements = 500000;  // 1,500,000 bytes: no tile is a whole number of them
    Remote remote(3 * elements);
    Bytes theirs(3 * elements);
    for (std::size_t i = 0; i < theirs.size(); ++i) theirs[i] = static_cast<unsigned char>(i * i);
    remote.put(0, theirs);
    const Process& process = remote.start();
    for (const Order order : {Order::local_op_remote, Order::remote_op_local}) {
        std::size_t called = 0;
        Bytes local(3 * elements);
        std::iota(local.begin(), local.end(), 0);
        const Transfer done = reduce_one(process, segment(local), {remote.address(), local.size()},
                                         Function{odd_difference, 3, &called}, order);
        EXPECT_FALSE(done.error);
        EXPECT_EQ(done.bytes, local.size());
        EXPECT_EQ(called, elements);
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < local.size(); ++i) {
            const auto mine = static_cast<unsigned char>(i);
            const int right =
                order == Order::local_op_remote ? mine - 2 * theirs[i] : theirs[i] - 2 * mine;
            wrong += local[i] != static_cast<unsigned char>(right) ? 1 : 0;
        }
        EXPECT_EQ(wrong, 0U);
    }
}

TEST(Reduce, AnElementMayBeLargerThanAnyTile) {
    constexpr std::size_t element = (2 << 20) + 7;
    Remote remote(3 * element);
    remote.put(0, Bytes(3 * element, 4));
    Bytes local(3 * element, 3);
    const Function add{[](const void* l, const void* r, void* c, std::size_t count, void*) {
                           combine(Op::sum, Type::uint8, l, r, c, count * element);
                       },
                       element, nullptr};
    EXPECT_EQ(
        reduce_one(remote.start(), segment(local), {remote.address(), local.size()}, add).bytes,
        local.size());
    EXPECT_EQ(local, Bytes(3 * element, 7));
}

TEST(Reduce, AFunctionMayItselfReduce) {
    // From inside, a second reduction of the same size: it must not take the outer one's tile.
    constexpr std::size_t bytes = 100000;
    struct Inner {
        const Remote* remote;
        Bytes local;
    };
    Remote remote(2 * bytes);
    remote.put(0, Bytes(bytes, 5));
    remote.put(bytes, Bytes(bytes, 9));
    const Process& process = remote.start();
    Inner inner{&remote, Bytes(bytes, 1)};
    const Function nested{
        [](const void* l, const void* r, void* c, std::size_t count, void* context) {
            auto& in = *static_cast<Inner*>(context);
            const Transfer done =
                reduce_one(in.remote->process(), segment(in.local),
                           {in.remote->address(bytes), bytes}, Op::prod, Type::uint8);
            if (done.bytes == bytes) combine(Op::sum, Type::uint8, l, r, c, count);
        },
        1, &inner};
    Bytes local(bytes, 2);
    EXPECT_EQ(reduce_one(process, segment(local), {remote.address(), bytes}, nested).bytes, bytes);
    EXPECT_EQ(local, Bytes(bytes, 7));
    EXPECT_EQ(inner.local, Bytes(bytes, 9));
}

TEST(Reduce, ATargetKilledHalfWayCountsWhatWasVerified) {
    constexpr std::size_t bytes = 4 << 20;
    Remote remote(bytes);
    remote.put(0, Bytes(bytes, 1));
    const Process& process = remote.start();
    struct Killer {
        Child* child;
        std::size_t combined;
    };
    Killer killer{&remote.child(), 0};
    const Function kills{
        [](const void* l, const void* r, void* c, std::size_t count, void* context) {
            auto& k = *static_cast<Killer*>(context);
            combine(Op::sum, Type::uint8, l, r, c, count);
            k.combined += count;
            if (k.combined == count) k.child->kill();
        },
        1, &killer};
    Bytes local(bytes, 1);
    const Transfer done = reduce_one(process, segment(local), {remote.address(), bytes}, kills);
    EXPECT_EQ(done.error, std::errc::no_such_process);
    EXPECT_EQ(done.bytes, killer.combined);
    EXPECT_LT(done.bytes, bytes);
    EXPECT_GT(done.bytes, 0U);
    EXPECT_EQ(static_cast<std::size_t>(std::count(local.begin(), local.end(), 2)), done.bytes);
    const Transfer again =
        reduce_one(process, segment(local), {remote.address(), 64}, Op::sum, Type::uint8);
    EXPECT_EQ(again.bytes, 0U);
    EXPECT_EQ(again.error, std::errc::no_such_process);
}

TEST(Reduce, AnEmptyHandleIsNobody) {
    std::error_code error;
    const Process nobody(0, {}, error);
    Bytes local(4096, 1);
    EXPECT_EQ(reduce_one(nobody, segment(local), {4096, 4096}, Op::sum, Type::uint8).error,
              std::errc::no_such_process);
    EXPECT_EQ(reduce_one(nobody, segment(local), {4096, 4096}, Op::sum, Type::float64).error,
              std::errc::no_such_process);
    EXPECT_EQ(reduce_one_into(nobody, segment(local), {4096, 4096}, Op::sum, Type::uint8).error,
              std::errc::no_such_process);
}

TEST(Reduce, AProcessReducesItsOwnMemory) {
    Bytes mine(300000, 1);
    Bytes other(300000, 2);
    const auto there = reinterpret_cast<std::uintptr_t>(other.data());
    const Process self = Process::self();
    EXPECT_EQ(reduce_one(self, segment(mine), {there, other.size()}, Op::sum, Type::uint8).bytes,
              mine.size());
    EXPECT_EQ(mine, Bytes(300000, 3));
    const Bytes& source = mine;
    EXPECT_EQ(
        reduce_one_into(self, segment(source), {there, other.size()}, Op::sum, Type::uint8).bytes,
        mine.size());
    EXPECT_EQ(other, Bytes(300000, 5));
}

TEST(Reduce, ThreadsReduceFromOneProcessAtOnce) {
    constexpr std::size_t bytes = 700000;
    Remote remote(bytes);
    remote.put(0, Bytes(bytes, 1));
    const Process& process = remote.start();
    std::vector<Bytes> results(4, Bytes(bytes, 0));
    std::vector<std::thread> threads;
    for (Bytes& local : results)
        threads.emplace_back([&] {
            for (int round = 0; round < 5; ++round)
                EXPECT_EQ(reduce_one(process, segment(local), {remote.address(), bytes}, Op::sum,
                                     Type::uint8)
                              .bytes,
                          bytes);
        });
    for (std::thread& thread : threads) thread.join();
    for (const Bytes& local : results) EXPECT_EQ(local, Bytes(bytes, 5));
}

TEST(Reduce, WithoutMemoryForATileItSaysSo) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer's shadow does not fit under the limit";
#endif
    constexpr std::size_t large = 4 << 20;  // one element, so no room that is already there will do
    Remote remote(large);
    remote.put(0, Bytes(large, 1));
    const Process& process = remote.start();
    const bool right = forked([&]() -> bool {
        Bytes local(large, 1);
        const Process same(process.pid());
        const Function one{[](auto, auto, auto, auto, auto) {}, large, nullptr};
        const rlimit tight{1 << 20, 1 << 20};  // below what is mapped already: nothing more fits
        if (setrlimit(RLIMIT_AS, &tight) != 0) return false;
        const Transfer none = reduce_one(same, segment(local), {remote.address(), large}, one);
        // A small one needs no room beyond the stack.
        const Transfer small = reduce_one(same, segment(local).first(2048),
                                          {remote.address(), 2048}, Op::sum, Type::uint8);
        return none.bytes == 0 && none.error == std::errc::not_enough_memory &&
               small.bytes == 2048 && local[0] == 2 && local[2048] == 1;
    });
    EXPECT_TRUE(right);
}

TEST(Reduce, AThirtyTwoKilobyteStackIsEnough) {
    Remote remote(1 << 20);
    remote.put(0, Bytes(1 << 20, 1));
    struct Work {
        const Remote* remote;
        std::vector<RemoteSegment> pieces;
        Bytes local;
        Transfer done;
        std::uint64_t more;
    };
    remote.start();
    Work work{&remote, {}, Bytes(1 << 20, 1), {}, 0};
    for (std::size_t at = 0; at < 1 << 20; at += 1024)
        work.pieces.push_back({remote.address(at), 1024});
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
    constexpr std::size_t stack = 256 << 10;
#else
    constexpr std::size_t stack = 32 << 10;
#endif
    ASSERT_EQ(pthread_attr_setstacksize(&attributes, stack), 0);
    pthread_t thread;
    const auto body = [](void* context) -> void* {
        auto& w = *static_cast<Work*>(context);
        const Segment local = segment(w.local);
        w.done = reduce(w.remote->process(), std::span(&local, 1), w.pieces, Op::sum, Type::uint8);
        // The other entrances, with what needs the most room; over and over the first bytes only.
        const ConstSegment ours = local.first(64);
        const Process self = Process::self();
        const std::array there{RemoteSegment{w.remote->address(), 32},
                               RemoteSegment{w.remote->address(64), 32}};
        Bytes mine(128, 1);
        const auto mine_at = reinterpret_cast<std::uintptr_t>(mine.data());
        const std::array here{RemoteSegment{mine_at, 32}, RemoteSegment{mine_at + 64, 32}};
        w.more = reduce_into(w.remote->process(), std::span(&ours, 1), there, Op::bor, Type::uint8)
                     .bytes +
                 reduce_into(self, std::span(&ours, 1), here, Op::sum, Type::uint8).bytes;
        return nullptr;
    };
    ASSERT_EQ(pthread_create(&thread, &attributes, body, &work), 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
    EXPECT_EQ(work.done.bytes, work.local.size());
    EXPECT_EQ(work.local, Bytes(1 << 20, 2));
    EXPECT_EQ(work.more, 128U);
}

}  // namespace
}  // namespace onecopy::test
