// A histogram that all ranks fill at once, without sending anything, and which they then read.
//
//     onecopy run -n 4 -- build/release/examples/example_histogram
//     onecopy run -n 2 -- build/release/examples/example_histogram --latency
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <numeric>
#include <onecopy/node.hpp>
#include <onecopy/window.hpp>
#include <random>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t bins_each = 64;

/// What single calls take, from rank 0 to rank 1, which waits.
void print_latencies(onecopy::Node& node) {
    using onecopy::Op;
    using Clock = std::chrono::steady_clock;
    onecopy::Communicator& world = node.world();
    onecopy::Window window = onecopy::Window::allocate(world, node.arena(), 1 << 20);
    std::fill(window.memory().begin(), window.memory().end(), std::byte{0});
    window.fence();
    const auto measure = [&](const char* what, int calls, const auto& call) {
        double best = 1e9;
        for (int repeat = 0; repeat < 5; ++repeat) {
            const auto begin = Clock::now();
            for (int i = 0; i < calls; ++i) call();
            const std::chrono::duration<double, std::nano> time = Clock::now() - begin;
            best = std::min(best, time.count() / calls);
        }
        if (world.rank() == 0) std::printf("%-42s %10.1f ns\n", what, best);
    };
    if (world.rank() == 0) {
        std::uint64_t word = 1;
        const std::span one(&word, 1);
        std::vector<double> many(1 << 17, 1.0);
        measure("put, 8 bytes", 200'000, [&] { window.put(one, 1, 0); });
        measure("get, 8 bytes", 200'000, [&] { window.get(one, 1, 0); });
        measure("put, 8 bytes, and flush", 200'000, [&] {
            window.put(one, 1, 0);
            window.flush(1);
        });
        measure("fetch_and_op, sum of int64", 200'000,
                [&] { window.fetch_and_op(std::int64_t{1}, 1, 8, Op::sum); });
        measure("fetch_and_op, sum of double", 200'000,
                [&] { window.fetch_and_op(1.0, 1, 16, Op::sum); });
        measure("compare_and_swap, 8 bytes", 200'000,
                [&] { window.compare_and_swap(word, word, 1, 24); });
        measure("lock, exclusive, and unlock", 200'000, [&] {
            window.lock(onecopy::LockType::exclusive, 1);
            window.unlock(1);
        });
        measure("accumulate, sum, 1 MiB of doubles", 50,
                [&] { window.accumulate(many, 1, 0, Op::sum); });
        window.lock(onecopy::LockType::exclusive, 1);
        measure("the same under an exclusive lock", 50,
                [&] { window.accumulate(many, 1, 0, Op::sum); });
        window.unlock(1);
    }
    window.fence();
    measure("fence", 20'000, [&] { window.fence(); });
}

}  // namespace

int main(int argc, char** argv) try {
    onecopy::Node node;
    onecopy::Communicator& world = node.world();
    if (argc > 1) {
        if (std::string_view(argv[1]) == "--latency" && argc == 2 && world.size() > 1) {
            print_latencies(node);
            return 0;
        }
        std::fprintf(stderr, "histogram: write no argument, or --latency with two ranks or more\n");
        return 2;
    }

    // Each rank has a part of the bins, in memory that all have mapped.
    onecopy::Window window =
        onecopy::Window::allocate(world, node.arena(), bins_each * sizeof(std::uint64_t));
    std::fill(window.memory().begin(), window.memory().end(), std::byte{0});
    window.fence();

    constexpr std::uint64_t samples = 100'000;
    std::mt19937_64 random(static_cast<std::uint64_t>(world.rank()));
    for (std::uint64_t i = 0; i < samples; ++i) {
        const std::uint64_t value =
            random() % (bins_each * static_cast<std::uint64_t>(world.size()));
        const auto owner = static_cast<int>(value / bins_each);
        window.fetch_and_op(std::uint64_t{1}, owner, value % bins_each * sizeof value,
                            onecopy::Op::sum);
    }
    window.fence();  // everybody's samples are counted

    std::uint64_t sum = 0;
    for (int rank = 0; rank < world.size(); ++rank) {
        std::array<std::uint64_t, bins_each> bins{};
        window.get(bins, rank, 0);
        sum = std::accumulate(bins.begin(), bins.end(), sum);
    }
    const std::uint64_t expected = samples * static_cast<std::uint64_t>(world.size());
    if (world.rank() == 0) {
        std::printf("%d ranks counted %llu samples\n", world.size(),
                    static_cast<unsigned long long>(sum));
    }
    return sum == expected ? 0 : 1;
} catch (const std::exception& error) {  // not started as a rank, a rank that died, ...
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
