// Collective calls by C that combine elements: of predefined operations, and of the caller's own.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <new>

#include "collective_forms.hpp"

namespace onecopy::test {
namespace {

constexpr auto all_ranks = std::size_t{collective_ranks};
constexpr unsigned long sum = ONECOPY_SUM | ONECOPY_INT64;

/// Puts two digits together, in the base that is the context: does not commute. An element is the
/// number and the value of its next place.
struct Digits {
    std::uint64_t number, place;
    friend bool operator==(const Digits&, const Digits&) = default;
};
void put_together(const void* left, const void* right, void* result, std::size_t count,
                  void* context) {
    const std::uint64_t base = *static_cast<const std::uint64_t*>(context);
    for (std::size_t i = 0; i < count; ++i) {
        Digits a{}, b{};
        std::memcpy(&a, static_cast<const std::byte*>(left) + i * sizeof a, sizeof a);
        std::memcpy(&b, static_cast<const std::byte*>(right) + i * sizeof b, sizeof b);
        const Digits both{a.number * b.place + b.number, a.place * b.place};
        std::memcpy(static_cast<std::byte*>(result) + i * sizeof both, &both, sizeof both);
        if (base != 1000) std::memset(result, 0xff, sizeof both);  // the context is not what it was
    }
}
using Numbers = std::vector<Digits>;
Numbers numbers_of(int rank, std::size_t count, std::size_t first = 0) {
    Numbers made(count);
    for (std::size_t i = 0; i < count; ++i) {
        made[i] = {(first + i) % 100 + 100 * static_cast<std::size_t>(rank + 1), 1000};
    }
    return made;
}
/// Of the ranks from 0 up to, and not with, `ranks`.
Numbers put_together_up_to(int ranks, std::size_t count, std::size_t first = 0) {
    Numbers all = numbers_of(0, count, first);
    for (int rank = 1; rank < ranks; ++rank) {
        const Numbers next = numbers_of(rank, count, first);
        for (std::size_t i = 0; i < count; ++i) {
            all[i] = {all[i].number * 1000 + next[i].number, all[i].place * 1000};
        }
    }
    return all;
}
Elements sums_up_to(int ranks, std::size_t count, std::size_t first = 0) {
    Elements all = zeros(count);
    for (int rank = 0; rank < ranks; ++rank) {
        for (std::size_t i = 0; i < count; ++i) all[i] += element(rank, first + i);
    }
    return all;
}

constexpr std::size_t number_bytes = sizeof(Digits);

TEST(CCollectives, ReduceGivesTheRootTheSum) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        std::uint64_t base = 1000;
        for (int root = 0; root < collective_ranks; ++root) {
            const bool here = own.rank == root;
            for (const bool in_place : {false, true}) {
                Elements from = elements_of(own.rank, count), to = zeros(here ? count : 0);
                const bool stays = here && in_place;
                EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, reduce, own.world, from.data(),
                                              stays  ? from.data()
                                              : here ? to.data()
                                                     : nullptr,
                                              count * element_bytes, sum, root),
                          0);
                if (here) {
                    EXPECT_EQ(stays ? from : to, sums_up_to(3, count));
                }
            }
            const Numbers from = numbers_of(own.rank, count);
            Numbers to(count);
            EXPECT_EQ(
                ONECOPY_EITHER_FORM(blocks, reduce_by, own.world, from.data(), to.data(),
                                    count * number_bytes, put_together, number_bytes, &base, root),
                0);
            if (here) {
                EXPECT_EQ(to, put_together_up_to(3, count));
            }
        }
    });
}

TEST(CCollectives, AllreduceGivesAllTheSum) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        std::uint64_t base = 1000;
        for (const bool in_place : {false, true}) {
            Elements from = elements_of(own.rank, count), to = zeros(count);
            EXPECT_EQ(
                ONECOPY_EITHER_FORM(blocks, allreduce, own.world, from.data(),
                                    in_place ? from.data() : to.data(), count * element_bytes, sum),
                0);
            EXPECT_EQ(in_place ? from : to, sums_up_to(3, count));
        }
        const Numbers from = numbers_of(own.rank, count);
        Numbers to(count);
        EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, allreduce_by, own.world, from.data(), to.data(),
                                      count * number_bytes, put_together, number_bytes, &base),
                  0);
        EXPECT_EQ(to, put_together_up_to(3, count));
    });
}

TEST(CCollectives, ReductionsKnowOperationsAndTypes) {
    EXPECT_C_RANKS(collective_ranks, [](const CRank& own) {
        const double own_value = own.rank == 1 ? 7.5 : own.rank;
        double most = 0;
        EXPECT_EQ(onecopy_allreduce(own.world, &own_value, &most, sizeof most,
                                    ONECOPY_MAX | ONECOPY_FLOAT64),
                  0);
        EXPECT_EQ(most, 7.5);
        const std::uint16_t bit = static_cast<std::uint16_t>(1U << own.rank);
        std::uint16_t bits = 0;
        EXPECT_EQ(
            onecopy_allreduce(own.world, &bit, &bits, sizeof bits, ONECOPY_BOR | ONECOPY_UINT16),
            0);
        EXPECT_EQ(bits, 7);
    });
}

TEST(CCollectives, ReduceScatterBlockGivesEachRankAnEqualPartOfTheSum) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        std::uint64_t base = 1000;
        const auto first = static_cast<std::size_t>(own.rank) * count;
        const Elements from = elements_of(own.rank, 3 * count);
        Elements to = zeros(count);
        EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, reduce_scatter_block, own.world, from.data(),
                                      to.data(), count * element_bytes, sum),
                  0);
        EXPECT_EQ(to, sums_up_to(3, count, first));
        const Numbers own_numbers = numbers_of(own.rank, 3 * count);
        Numbers part(count);
        EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, reduce_scatter_block_by, own.world,
                                      own_numbers.data(), part.data(), count * number_bytes,
                                      put_together, number_bytes, &base),
                  0);
        EXPECT_EQ(part, put_together_up_to(3, count, first));
    });
}

TEST(CCollectives, ReduceScatterGivesEachRankItsPartOfTheSum) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        std::uint64_t base = 1000;
        const std::array<std::size_t, all_ranks> counts{count, count / 7, count + 2};
        const std::array<std::size_t, all_ranks> firsts{0, counts[0], counts[0] + counts[1]};
        const std::size_t all = firsts[2] + counts[2];
        const auto mine = static_cast<std::size_t>(own.rank);
        std::array<std::size_t, all_ranks> bytes{};
        for (std::size_t i = 0; i < all_ranks; ++i) bytes[i] = counts[i] * element_bytes;
        const Elements from = elements_of(own.rank, all);
        Elements to = zeros(counts[mine]);
        EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, reduce_scatter, own.world, from.data(), to.data(),
                                      bytes.data(), sum),
                  0);
        EXPECT_EQ(to, sums_up_to(3, counts[mine], firsts[mine]));
        for (std::size_t i = 0; i < all_ranks; ++i) bytes[i] = counts[i] * number_bytes;
        const Numbers own_numbers = numbers_of(own.rank, all);
        Numbers part(counts[mine]);
        EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, reduce_scatter_by, own.world, own_numbers.data(),
                                      part.data(), bytes.data(), put_together, number_bytes, &base),
                  0);
        EXPECT_EQ(part, put_together_up_to(3, counts[mine], firsts[mine]));
    });
}

TEST(CCollectives, ScanGivesEachRankTheSumUpToItself) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        std::uint64_t base = 1000;
        for (const bool in_place : {false, true}) {
            Elements from = elements_of(own.rank, count), to = zeros(count);
            EXPECT_EQ(
                ONECOPY_EITHER_FORM(blocks, scan, own.world, from.data(),
                                    in_place ? from.data() : to.data(), count * element_bytes, sum),
                0);
            EXPECT_EQ(in_place ? from : to, sums_up_to(own.rank + 1, count));
        }
        const Numbers from = numbers_of(own.rank, count);
        Numbers to(count);
        EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, scan_by, own.world, from.data(), to.data(),
                                      count * number_bytes, put_together, number_bytes, &base),
                  0);
        EXPECT_EQ(to, put_together_up_to(own.rank + 1, count));
    });
}

TEST(CCollectives, ExscanGivesEachRankTheSumBeforeItself) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        std::uint64_t base = 1000;
        const Elements from = elements_of(own.rank, count);
        Elements to(count, -5);
        EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, exscan, own.world, from.data(), to.data(),
                                      count * element_bytes, sum),
                  0);
        EXPECT_EQ(to, own.rank == 0 ? Elements(count, -5) : sums_up_to(own.rank, count));
        const Numbers own_numbers = numbers_of(own.rank, count);
        Numbers before(count, Digits{3, 3});
        EXPECT_EQ(
            ONECOPY_EITHER_FORM(blocks, exscan_by, own.world, own_numbers.data(), before.data(),
                                count * number_bytes, put_together, number_bytes, &base),
            0);
        EXPECT_EQ(before, own.rank == 0 ? Numbers(count, Digits{3, 3})
                                        : put_together_up_to(own.rank, count));
    });
}

/// Elements that nobody may write to.
class ConstantElements {
public:
    explicit ConstantElements(const Elements& elements)
        : bytes_(elements.size() * element_bytes),
          begin_(
              ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
        if (begin_ == MAP_FAILED) throw std::bad_alloc();
        std::memcpy(begin_, elements.data(), bytes_);
        ::mprotect(begin_, bytes_, PROT_READ);
    }
    ConstantElements(const ConstantElements&) = delete;
    ConstantElements& operator=(const ConstantElements&) = delete;
    ~ConstantElements() { ::munmap(begin_, bytes_); }

    [[nodiscard]] const void* data() const noexcept { return begin_; }

private:
    std::size_t bytes_;
    void* begin_;
};

TEST(CCollectives, ExscanNeedsNoMemoryForAResultAtRank0) {
    in_each_form([](const CRank& own, bool blocks, std::size_t count) {
        const ConstantElements from(elements_of(own.rank, count));
        Elements to(own.rank == 0 ? 0 : count, -5);
        int64_t* const result = own.rank == 0 ? nullptr : to.data();
        EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, exscan, own.world, from.data(), result,
                                      count * element_bytes, sum),
                  0);
        if (own.rank > 0) {
            EXPECT_EQ(to, sums_up_to(own.rank, count));
        }
        // Elements so large that they go by messages, where there are enough for two.
        std::uint64_t base = 1000;
        const Numbers numbers = numbers_of(own.rank, count);
        Numbers before(count);
        EXPECT_EQ(ONECOPY_EITHER_FORM(blocks, exscan_by, own.world, numbers.data(),
                                      own.rank == 0 ? nullptr : before.data(), count * number_bytes,
                                      put_together,
                                      count < 40'000 ? number_bytes : 20'000 * number_bytes, &base),
                  0);
    });
}

}  // namespace
}  // namespace onecopy::test
