// What every collective call gives, by every kind of memory, blocking and not, in place and not,
// against what each rank works out alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "onecopy/communicator.hpp"
#include "ranks.hpp"

namespace onecopy {
namespace {

/// x -> a x + b. Put one behind the other they are associative and do not commute.
struct Affine {
    std::uint32_t a, b;
    bool operator==(const Affine&) const = default;
};
Affine then(const Affine& left, const Affine& right) {
    return {left.a * right.a, left.b * right.a + right.b};
}
void combine_affine(const void* left, const void* right, void* result, std::size_t count,
                    void* /*context*/) {
    for (std::size_t i = 0; i < count; ++i) {
        Affine one, other;
        std::memcpy(&one, static_cast<const Affine*>(left) + i, sizeof one);
        std::memcpy(&other, static_cast<const Affine*>(right) + i, sizeof other);
        const Affine both = then(one, other);
        std::memcpy(static_cast<Affine*>(result) + i, &both, sizeof both);
    }
}
const Function affine{combine_affine, sizeof(Affine), nullptr};

/// What a rank contributes, in its own way each time.
Affine element(int rank, int block, std::size_t index, unsigned round) {
    const auto seed = static_cast<std::uint32_t>(rank * 7919 + block * 104'729 + 13) +
                      static_cast<std::uint32_t>(index) * 2'654'435'761U + round * 40'503U;
    return {seed | 1, seed * 31 + 7};
}

enum class Place { arena, ordinary, mixed };

/// Elements in memory of a kind; in `mixed` every other rank's are in its arena.
class Memory {
public:
    Memory(Node& node, Place place, std::size_t count)
        : node_(node), count_(std::max<std::size_t>(count, 1)) {
        arena_ = place == Place::arena || (place == Place::mixed && node.rank() % 2 == 0);
        const std::size_t bytes = count_ * sizeof(Affine);
        void* const at = arena_ ? node.arena().allocate(bytes, 64) : ::operator new(bytes);
        data_ = static_cast<Affine*>(at);
        std::memset(at, 0x5a, bytes);
        used_ = count;
    }
    ~Memory() {
        if (arena_) {
            node_.arena().deallocate(data_, count_ * sizeof(Affine), 64);
        } else {
            ::operator delete(data_);
        }
    }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    [[nodiscard]] std::span<Affine> all() const { return {data_, used_}; }
    [[nodiscard]] Segment bytes() const { return std::as_writable_bytes(all()); }

private:
    Node& node_;
    bool arena_;
    std::size_t count_, used_ = 0;
    Affine* data_;
};

/// One way of making all calls.
struct Setting {
    Place place = Place::ordinary;
    bool requests = false;
    bool in_place = false;
};

class Calls {
public:
    Calls(Node& node, const Setting& setting)
        : node_(node), world_(node.world()), setting_(setting) {}

    void run(std::size_t count, unsigned round) {
        count_ = count;
        round_ = round;
        const int ranks = world_.size();
        world_.barrier();
        bcast(round % static_cast<unsigned>(ranks));
        gather(round % static_cast<unsigned>(ranks));
        scatter(round % static_cast<unsigned>(ranks));
        allgather();
        alltoall();
        reduce(round % static_cast<unsigned>(ranks));
        allreduce();
        reduce_scatter_block();
        scan();
        exscan();
    }

private:
    [[nodiscard]] int rank() const { return world_.rank(); }
    [[nodiscard]] int size() const { return world_.size(); }
    [[nodiscard]] std::size_t all() const { return count_ * static_cast<std::size_t>(size()); }

    /// Fills `blocks` blocks of what a rank contributes.
    void fill(std::span<Affine> to, int of, int blocks) const {
        for (int block = 0; block < blocks; ++block) {
            for (std::size_t i = 0; i < count_; ++i) {
                to[static_cast<std::size_t>(block) * count_ + i] = element(of, block, i, round_);
            }
        }
    }
    template <class Blocking, class Begin>
    void call(const Blocking& blocking, const Begin& begin) {
        if (setting_.requests) {
            begin().wait();
        } else {
            blocking();
        }
    }
    void expect(const char* what, std::span<const Affine> got, const auto& wanted) const {
        for (std::size_t i = 0; i < got.size(); ++i) {
            const Affine right = wanted(i);
            if (got[i] == right) continue;
            ADD_FAILURE() << what << " of " << count_ << " elements, rank " << rank() << " of "
                          << size() << ", element " << i << ", round " << round_
                          << (setting_.in_place ? ", in place" : "") << ", memory "
                          << static_cast<int>(setting_.place);
            return;
        }
    }
    [[nodiscard]] Affine folded(int first, int end, int block, std::size_t i) const {
        Affine sum = element(first, block, i, round_);
        for (int member = first + 1; member < end; ++member) {
            sum = then(sum, element(member, block, i, round_));
        }
        return sum;
    }

    void bcast(unsigned from) {
        const int root = static_cast<int>(from);
        Memory memory(node_, setting_.place, count_);
        if (rank() == root) fill(memory.all(), root, 1);
        call([&] { world_.bcast(memory.bytes(), root); },
             [&] { return world_.ibcast(memory.bytes(), root); });
        expect("bcast", memory.all(), [&](std::size_t i) { return element(root, 0, i, round_); });
    }
    void gather(unsigned to) {
        const int root = static_cast<int>(to);
        Memory result(node_, setting_.place, rank() == root ? all() : 0);
        Memory own(node_, setting_.place, count_);
        std::span<Affine> from = own.all();
        if (setting_.in_place && rank() == root) {
            from = result.all().subspan(static_cast<std::size_t>(rank()) * count_, count_);
        }
        fill(from, rank(), 1);
        call([&] { world_.gather(std::as_bytes(from), result.bytes(), root); },
             [&] { return world_.igather(std::as_bytes(from), result.bytes(), root); });
        if (rank() == root) expect_blocks("gather", result.all(), 0);
    }
    void expect_blocks(const char* what, std::span<const Affine> got, int block) const {
        expect(what, got, [&](std::size_t i) {
            return element(static_cast<int>(i / count_), block, i % count_, round_);
        });
    }
    void scatter(unsigned from) {
        const int root = static_cast<int>(from);
        Memory source(node_, setting_.place, rank() == root ? all() : 0);
        if (rank() == root) fill(source.all(), root, size());
        Memory own(node_, setting_.place, count_);
        std::span<Affine> to = own.all();
        if (setting_.in_place && rank() == root) {
            to = source.all().subspan(static_cast<std::size_t>(rank()) * count_, count_);
        }
        call([&] { world_.scatter(source.bytes(), std::as_writable_bytes(to), root); },
             [&] { return world_.iscatter(source.bytes(), std::as_writable_bytes(to), root); });
        expect("scatter", to, [&](std::size_t i) { return element(root, rank(), i, round_); });
    }
    void allgather() {
        Memory result(node_, setting_.place, all());
        Memory own(node_, setting_.place, count_);
        std::span<Affine> from = own.all();
        if (setting_.in_place) {
            from = result.all().subspan(static_cast<std::size_t>(rank()) * count_, count_);
        }
        fill(from, rank(), 1);
        call([&] { world_.allgather(std::as_bytes(from), result.bytes()); },
             [&] { return world_.iallgather(std::as_bytes(from), result.bytes()); });
        expect_blocks("allgather", result.all(), 0);
    }
    void alltoall() {
        Memory result(node_, setting_.place, all());
        Memory source(node_, setting_.place, all());
        const std::span<Affine> from = setting_.in_place ? result.all() : source.all();
        fill(from, rank(), size());
        call([&] { world_.alltoall(std::as_bytes(from), result.bytes()); },
             [&] { return world_.ialltoall(std::as_bytes(from), result.bytes()); });
        expect_blocks("alltoall", result.all(), rank());
    }
    void reduce(unsigned to) {
        const int root = static_cast<int>(to);
        Memory source(node_, setting_.place, count_);
        Memory result(node_, setting_.place, rank() == root ? count_ : 0);
        const std::span<Affine> from =
            setting_.in_place && rank() == root ? result.all() : source.all();
        fill(from, rank(), 1);
        call([&] { world_.reduce(std::as_bytes(from), result.bytes(), affine, root); },
             [&] { return world_.ireduce(std::as_bytes(from), result.bytes(), affine, root); });
        if (rank() != root) return;
        expect("reduce", result.all(), [&](std::size_t i) { return folded(0, size(), 0, i); });
    }
    void allreduce() {
        Memory source(node_, setting_.place, count_);
        Memory result(node_, setting_.place, count_);
        const std::span<Affine> from = setting_.in_place ? result.all() : source.all();
        fill(from, rank(), 1);
        call([&] { world_.allreduce(std::as_bytes(from), result.bytes(), affine); },
             [&] { return world_.iallreduce(std::as_bytes(from), result.bytes(), affine); });
        expect("allreduce", result.all(), [&](std::size_t i) { return folded(0, size(), 0, i); });
    }
    void reduce_scatter_block() {
        Memory source(node_, setting_.place, all());
        Memory own(node_, setting_.place, count_);
        fill(source.all(), rank(), size());
        const std::span<Affine> to = setting_.in_place ? source.all().first(count_) : own.all();
        call(
            [&] {
                world_.reduce_scatter_block(source.bytes(), std::as_writable_bytes(to), affine);
            },
            [&] {
                return world_.ireduce_scatter_block(source.bytes(), std::as_writable_bytes(to),
                                                    affine);
            });
        expect("reduce_scatter_block", to,
               [&](std::size_t i) { return folded(0, size(), rank(), i); });
    }
    void scan() {
        Memory source(node_, setting_.place, count_);
        Memory result(node_, setting_.place, count_);
        const std::span<Affine> from = setting_.in_place ? result.all() : source.all();
        fill(from, rank(), 1);
        call([&] { world_.scan(std::as_bytes(from), result.bytes(), affine); },
             [&] { return world_.iscan(std::as_bytes(from), result.bytes(), affine); });
        expect("scan", result.all(), [&](std::size_t i) { return folded(0, rank() + 1, 0, i); });
    }
    void exscan() {
        Memory source(node_, setting_.place, count_);
        Memory result(node_, setting_.place, count_);
        const std::span<Affine> from = setting_.in_place ? result.all() : source.all();
        fill(from, rank(), 1);
        const std::vector<Affine> before(result.all().begin(), result.all().end());
        call([&] { world_.exscan(std::as_bytes(from), result.bytes(), affine); },
             [&] { return world_.iexscan(std::as_bytes(from), result.bytes(), affine); });
        expect("exscan", result.all(),
               [&](std::size_t i) { return rank() == 0 ? before[i] : folded(0, rank(), 0, i); });
    }

    Node& node_;
    Communicator& world_;
    Setting setting_;
    std::size_t count_ = 0;
    unsigned round_ = 0;
};

/// Around: nothing, one line, a slot, a frame, a window, several windows and a rest.
std::vector<std::size_t> counts_for(int ranks) {
    if (ranks > 20) return {0, 1, 7, 8, 100, 519, 1100};
    std::vector<std::size_t> counts = {0, 1, 3, 6, 100, 517, 518, 519, 4096, 4099, 20'001};
    if (ranks <= 3) counts.push_back(400'003);
    return counts;
}

void all_calls(int ranks, Place place, bool requests, bool in_place) {
    EXPECT_RANKS(ranks, [=](Node& node) {
        Calls calls(node, {place, requests, in_place});
        unsigned round = 0;
        for (const std::size_t count : counts_for(ranks)) calls.run(count, round++);
    });
}

class Results : public testing::TestWithParam<std::tuple<int, Place, bool, bool>> {};

TEST_P(Results, AreRightOfEverySize) {
    const auto [ranks, place, requests, in_place] = GetParam();
    all_calls(ranks, place, requests, in_place);
}

INSTANTIATE_TEST_SUITE_P(All, Results,
                         testing::Combine(testing::Values(1, 2, 3, 5, 8),
                                          testing::Values(Place::arena, Place::ordinary,
                                                          Place::mixed),
                                          testing::Bool(), testing::Bool()));
INSTANTIATE_TEST_SUITE_P(OfMoreRanksThanCores, Results,
                         testing::Combine(testing::Values(12),
                                          testing::Values(Place::arena, Place::ordinary,
                                                          Place::mixed),
                                          testing::Bool(), testing::Bool()));
/// More than those whose arenas are mapped, and whose schedules are looked at by all.
INSTANTIATE_TEST_SUITE_P(OfVeryManyRanks, Results,
                         testing::Combine(testing::Values(70), testing::Values(Place::mixed),
                                          testing::Bool(), testing::Bool()));

}  // namespace
}  // namespace onecopy
