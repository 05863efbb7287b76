// What calls promise beside their results: requests, communicators, threads, parts.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include "onecopy/communicator.hpp"
#include "ranks.hpp"

namespace onecopy {
namespace {

TEST(Collectives, ManyMayBeOutstanding) {
    EXPECT_RANKS(3, [](Node& node) {
        constexpr std::size_t calls = 60;
        std::vector<std::vector<std::int64_t>> from(calls), to(calls);
        std::vector<Request> requests;
        for (std::size_t call = 0; call < calls; ++call) {
            const std::size_t count = call % 4 == 3 ? 20'000 : 1 + call;
            from[call].assign(count, static_cast<std::int64_t>(call) + node.rank());
            to[call].assign(count, -1);
            if (call % 3 == 0) {
                requests.push_back(node.world().ibarrier());
            } else {
                requests.push_back(node.world().iallreduce(
                    std::as_bytes(std::span(from[call])),
                    std::as_writable_bytes(std::span(to[call])), {Op::sum, Type::int64}));
            }
        }
        // Some from the end, the rest at once.
        for (std::size_t i = 0; i < 10; ++i) requests[calls - 1 - i].wait();
        wait_all(requests);
        for (std::size_t call = 0; call < calls; ++call) {
            if (call % 3 == 0) continue;
            const std::int64_t wanted = 3 * static_cast<std::int64_t>(call) + 3;
            EXPECT_TRUE(std::all_of(to[call].begin(), to[call].end(), [=](std::int64_t x) {
                return x == wanted;
            })) << call;
        }
    });
}

TEST(Collectives, RequestsAreTestedBesideMessages) {
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        const int other = 1 - world.rank();
        std::vector<float> from(50'000, 1.5F), to(50'000);
        int got = -1;
        const int sent = world.rank();
        std::vector<Request> requests;
        requests.push_back(world.irecv(std::as_writable_bytes(std::span(&got, 1)), other, 5));
        requests.push_back(world.iallreduce(std::as_bytes(std::span(from)),
                                            std::as_writable_bytes(std::span(to)),
                                            {Op::sum, Type::float32}));
        std::vector<Status> statuses;
        EXPECT_FALSE(requests[1].cancel());
        world.send(std::as_bytes(std::span(&sent, 1)), other, 5);
        while (!test_all(requests, statuses)) {
        }
        EXPECT_EQ(got, other);
        EXPECT_EQ(to[49'999], 3.0F);
        // One that nobody waits for is finished by its request's end.
        { const Request left = world.ibarrier(); }
        world.barrier();
    });
}

TEST(Collectives, CommunicatorsDoNotMix) {
    EXPECT_RANKS(4, [](Node& node) {
        Communicator& world = node.world();
        Communicator twin = world.dup();
        Communicator half = world.split(world.rank() % 2, -world.rank());
        for (int round = 0; round < 50; ++round) {
            Request later = twin.ibarrier();
            const int sum = half.allreduce(world.rank(), Op::sum);
            EXPECT_EQ(sum, world.rank() % 2 == 0 ? 2 : 4);
            EXPECT_EQ(world.allreduce(1L, Op::sum), 4L);
            EXPECT_EQ(half.size(), 2);
            std::vector<int> order(2);
            half.allgather(std::array{world.rank()}, order);
            EXPECT_GT(order[0], order[1]);
            later.wait();
        }
    });
}

TEST(Collectives, ThreadsMayCallThemInCommunicatorsOfTheirOwn) {
    NodeOptions options;
    options.threads = true;
    EXPECT_RANKS(
        3,
        [](Node& node) {
            Communicator mine = node.world().dup();
            const auto calls = [](Communicator& world) {
                std::vector<int> from(30'000, 1), to(30'000);
                for (int round = 0; round < 60; ++round) {
                    EXPECT_EQ(world.allreduce(round, Op::max), round);
                    world.allreduce(from, to, Op::sum);
                    EXPECT_EQ(to[29'999], 3);
                }
            };
            std::thread other([&] { calls(mine); });
            calls(node.world());
            other.join();
        },
        options);
}

/// An element that no frame holds.
struct Huge {
    std::array<long, 50'000> values;
};
void add_huge(const void* left, const void* right, void* result, std::size_t count, void*) {
    const auto* const one = static_cast<const long*>(left);
    const auto* const other = static_cast<const long*>(right);
    for (std::size_t i = 0; i < count * 50'000; ++i) {
        static_cast<long*>(result)[i] = one[i] + 2 * other[i];
    }
}

TEST(Collectives, ElementsMayBeOfAnySize) {
    EXPECT_RANKS(3, [](Node& node) {
        const Function function{add_huge, sizeof(Huge), nullptr};
        std::vector<Huge> from(2), to(2);
        for (Huge& each : from) each.values.fill(node.rank() + 1);
        const auto bytes = [](std::vector<Huge>& list) {
            return std::as_writable_bytes(std::span(list));
        };
        node.world().allreduce(bytes(from), bytes(to), function);
        // (1 + 2 * 2) + 2 * 3, and so on from left to right in a scan.
        EXPECT_EQ(to[1].values[49'999], 11);
        node.world().scan(bytes(from), bytes(to), function);
        EXPECT_EQ(to[1].values[0], node.rank() == 0 ? 1 : node.rank() == 1 ? 5 : 11);
        to[0].values.fill(-7);
        node.world().exscan(bytes(from), bytes(to), function);
        EXPECT_EQ(to[0].values[1], node.rank() == 0 ? -7 : node.rank() == 1 ? 1 : 5);
        node.world().reduce(bytes(from), bytes(to), function, 2);
        EXPECT_TRUE(node.rank() != 2 || to[0].values[0] == 11);
        std::vector<Huge> three(3), one(1);
        for (std::size_t i = 0; i < 3; ++i) three[i].values.fill(static_cast<long>(i));
        node.world().reduce_scatter_block(bytes(three), bytes(one), function);
        EXPECT_EQ(one[0].values[9], 5 * node.rank());
    });
}

TEST(Collectives, PartsMayHaveAnySize) {
    for (const int ranks : {1, 2, 5}) {
        EXPECT_RANKS(ranks, [](Node& node) {
            Communicator& world = node.world();
            const auto size = static_cast<std::size_t>(world.size());
            const auto rank = static_cast<std::size_t>(world.rank());
            // Rank r has (r + 1) * unit bytes for whoever; the first nothing in some rounds.
            for (const std::size_t unit : {std::size_t{1}, std::size_t{700}, std::size_t{90'000}}) {
                std::vector<std::size_t> bytes(size), offsets(size);
                std::size_t end = 0;
                for (std::size_t i = 0; i < size; ++i) {
                    bytes[i] = (unit == 700 ? i : i + 1) * unit;
                    offsets[i] = end + 3;
                    end = offsets[i] + bytes[i];
                }
                const Parts parts{bytes, offsets};
                std::vector<std::byte> own(bytes[rank], static_cast<std::byte>(rank + 1));
                std::vector<std::byte> all(end + 5);
                const auto whole = [&] {
                    for (std::size_t i = 0; i < size; ++i) {
                        for (std::size_t at = 0; at < bytes[i]; ++at) {
                            if (all[offsets[i] + at] != static_cast<std::byte>(i + 1)) return false;
                        }
                        // What is between the parts stays.
                        if (all[offsets[i] - 1] != std::byte{0}) return false;
                    }
                    return true;
                };
                world.allgatherv(own, all, parts);
                EXPECT_TRUE(whole()) << unit;
                std::fill(all.begin(), all.end(), std::byte{0});
                world.igatherv(own, all, parts, world.size() - 1).wait();
                EXPECT_TRUE(rank + 1 != size || whole()) << unit;
                if (rank + 1 != size) std::fill(all.begin(), all.end(), std::byte{9});
                std::fill(own.begin(), own.end(), std::byte{0});
                world.scatterv(all, parts, own, world.size() - 1);
                EXPECT_TRUE(std::all_of(own.begin(), own.end(), [&](std::byte x) {
                    return x == static_cast<std::byte>(rank + 1);
                }));
                // Everybody sends rank i (i + 1) * unit bytes.
                std::vector<std::size_t> mine(size, bytes[rank]);
                std::vector<std::byte> source(end + 5), arrived(size * bytes[rank]);
                for (std::size_t i = 0; i < size; ++i) {
                    std::fill_n(source.begin() + static_cast<std::ptrdiff_t>(offsets[i]), bytes[i],
                                static_cast<std::byte>(10 * rank + i));
                }
                world.alltoallv(source, parts, arrived, Parts{mine});
                for (std::size_t i = 0; i < size; ++i) {
                    for (std::size_t at = 0; at < bytes[rank]; ++at) {
                        ASSERT_EQ(arrived[i * bytes[rank] + at],
                                  static_cast<std::byte>(10 * i + rank));
                    }
                }
                // And the sums of parts of different sizes.
                std::vector<std::size_t> shares(size);
                for (std::size_t i = 0; i < size; ++i) shares[i] = 8 * bytes[i];
                const std::size_t sum = std::accumulate(bytes.begin(), bytes.end(), std::size_t{0});
                std::vector<std::int64_t> values(sum, static_cast<std::int64_t>(rank + 1)),
                    part(bytes[rank]);
                world.reduce_scatter(std::as_bytes(std::span(values)),
                                     std::as_writable_bytes(std::span(part)), shares,
                                     {Op::sum, Type::int64});
                const auto wanted = static_cast<std::int64_t>(size * (size + 1) / 2);
                EXPECT_TRUE(std::all_of(part.begin(), part.end(),
                                        [&](std::int64_t each) { return each == wanted; }));
            }
        });
    }
}

TEST(Collectives, PartsThatDoNotFitTogetherAreTold) {
    EXPECT_RANKS(3, [](Node& node) {
        Communicator& world = node.world();
        std::vector<std::byte> own(node.rank() == 1 ? 9 : 10), all(30);
        const std::vector<std::size_t> bytes(3, 10);
        std::error_code error;
        world.gatherv(own, all, Parts{bytes}, 0, error);
        if (node.rank() == 0) {
            EXPECT_EQ(error, Errc::mismatch) << error.message();
        } else {
            EXPECT_FALSE(error) << error.message();
        }
        world.barrier();
        world.allgatherv(own, all, Parts{bytes}, error);
        if (node.rank() == 1) {
            EXPECT_EQ(error, std::errc::invalid_argument);
        } else {
            EXPECT_EQ(error, Errc::mismatch) << error.message();
        }
        world.barrier();
    });
}

}  // namespace
}  // namespace onecopy
