// Floating sums have the same bits at every rank, whatever memory they are of, whichever way they
// go, and wherever the ranks run.
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory_resource>
#include <vector>

#include "onecopy/communicator.hpp"
#include "ranks.hpp"

namespace onecopy {
namespace {

/// Numbers whose sum depends on which of them are added first.
template <class Number>
Number operand(int rank, std::size_t i) {
    const int place = rank + static_cast<int>(i);
    const Number sign = place % 3 == 0 ? -1 : 1;
    const auto spread =
        static_cast<Number>(1 + (i * 7 + static_cast<std::size_t>(rank) * 13) % 101);
    return sign * spread * (rank % 2 == 0 ? Number(1e16) : Number(1e-3));
}

/// What is promised: a power of two of the first, the largest that leaves something over, are added
/// up before the others.
template <class Number>
Number sum_of(int first, int count, std::size_t i) {
    if (count == 1) return operand<Number>(first, i);
    const int left = static_cast<int>(std::bit_floor(static_cast<unsigned>(count - 1)));
    const Number one = sum_of<Number>(first, left, i);
    return one + sum_of<Number>(first + left, count - left, i);
}
/// And of scans, from left to right.
template <class Number>
Number prefix(int count, std::size_t i) {
    Number sum = operand<Number>(0, i);
    for (int rank = 1; rank < count; ++rank) sum += operand<Number>(rank, i);
    return sum;
}

template <class Number>
class Sums {
public:
    Sums(Node& node, bool arena)
        : world_(node.world()), memory_(arena ? &node.arena() : std::pmr::new_delete_resource()) {}

    void of(std::size_t count) {
        const int ranks = world_.size(), rank = world_.rank();
        const auto all = count * static_cast<std::size_t>(ranks);
        std::pmr::vector<Number> from(count, memory_), to(count, memory_), many(all, memory_);
        for (std::size_t i = 0; i < count; ++i) from[i] = operand<Number>(rank, i);
        for (std::size_t i = 0; i < all; ++i) many[i] = from[i % count];
        const auto total = [=](std::size_t i) { return sum_of<Number>(0, ranks, i); };

        world_.allreduce(from, to, Op::sum);
        expect("allreduce", to, total);
        clear(to);
        world_.reduce(from, to, Op::sum, 1);
        if (rank == 1) expect("reduce", to, total);
        clear(to);
        const Reduction sum(Op::sum, sizeof(Number) == 8 ? Type::float64 : Type::float32);
        world_.reduce_scatter_block(std::as_bytes(std::span(many)), bytes(to), sum);
        expect("reduce_scatter_block", to, total);
        clear(to);
        world_.scan(std::as_bytes(std::span(from)), bytes(to), sum);
        expect("scan", to, [=](std::size_t i) { return prefix<Number>(rank + 1, i); });
        clear(to);
        world_.exscan(std::as_bytes(std::span(from)), bytes(to), sum);
        if (rank > 0) expect("exscan", to, [=](std::size_t i) { return prefix<Number>(rank, i); });
        // By messages.
        clear(to);
        const std::vector<std::size_t> parts(static_cast<std::size_t>(ranks),
                                             count * sizeof(Number));
        world_.reduce_scatter(std::as_bytes(std::span(many)), bytes(to), parts, sum);
        expect("reduce_scatter", to, total);
    }

private:
    using Numbers = std::pmr::vector<Number>;
    static void clear(Numbers& list) { std::fill(list.begin(), list.end(), Number(-1)); }
    static Segment bytes(Numbers& list) { return std::as_writable_bytes(std::span(list)); }

    void expect(const char* what, const Numbers& got, auto wanted) const {
        for (std::size_t i = 0; i < got.size(); ++i) {
            const Number right = wanted(i);
            if (std::memcmp(&right, &got[i], sizeof right) == 0) continue;
            ADD_FAILURE() << what << " of " << got.size() << " numbers of " << sizeof right
                          << " bytes, element " << i << ": " << got[i] << " and not " << right;
            return;
        }
    }

    Communicator& world_;
    std::pmr::memory_resource* memory_;
};

void all_sums(Node& node) {
    for (const std::size_t count : {std::size_t{3}, std::size_t{500}, std::size_t{20'000}}) {
        for (const bool arena : {false, true}) {
            Sums<double>(node, arena).of(count);
            Sums<float>(node, arena).of(count);
        }
    }
}

TEST(CollectiveBits, DependOnTheNumberOfRanksAlone) {
    for (const int ranks : {2, 3, 5, 8, 11}) EXPECT_RANKS(ranks, all_sums);
}

/// The CPUs that this process may use.
std::vector<std::size_t> own_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<std::size_t> cpus;
    if (::sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
    return cpus;
}
void bind_to(std::size_t cpu) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
}

TEST(CollectiveBits, AreTheSameUnderEveryBinding) {
    const std::vector<std::size_t> cpus = own_cpus();
    ASSERT_FALSE(cpus.empty());
    enum class Binding { one_core, spread, backwards };
    for (const Binding binding : {Binding::one_core, Binding::spread, Binding::backwards}) {
        for (const int ranks : {2, 6}) {
            EXPECT_RANKS(ranks, std::function<void()>([&] {
                             const auto rank =
                                 static_cast<std::size_t>(std::atoi(std::getenv("ONECOPY_RANK")));
                             const std::size_t place = binding == Binding::one_core ? 0
                                                       : binding == Binding::spread
                                                           ? rank % cpus.size()
                                                           : cpus.size() - 1 - rank % cpus.size();
                             bind_to(cpus[place]);
                             Node node;
                             all_sums(node);
                         }));
        }
    }
}

}  // namespace
}  // namespace onecopy
