// Ranks in a ring: each passes a token on, and a large array from its arena.
//
//     onecopy run -n 4 -- build/release/examples/example_ring
#include <cstdio>
#include <exception>
#include <memory_resource>
#include <numeric>
#include <onecopy/node.hpp>
#include <vector>

int main() try {
    onecopy::Node node;
    onecopy::Communicator& world = node.world();
    const int right = (world.rank() + 1) % world.size();
    const int left = (world.rank() + world.size() - 1) % world.size();

    // A token goes round, and everybody adds its rank.
    int sum = 0;
    if (world.rank() != 0) world.recv(std::span(&sum, 1), left);
    sum += world.rank();
    world.send(std::span(&sum, 1), right);
    if (world.rank() == 0) world.recv(std::span(&sum, 1), left);

    // Arrays that lie in the arena are copied once, with no system call, or not at all.
    std::pmr::vector<double> numbers(1 << 20, &node.arena());
    std::iota(numbers.begin(), numbers.end(), world.rank());
    onecopy::Request sending = world.isend(numbers, right, 1);
    double first = 0;
    {
        const onecopy::MessageView theirs = world.recv_view(left, 1);  // read where it is
        first = *reinterpret_cast<const double*>(theirs.bytes().data());
    }
    sending.wait();

    world.barrier();
    if (world.rank() == 0) std::printf("%d ranks, sum %d\n", world.size(), sum);
    return first == left && (world.rank() != 0 || sum == world.size() * (world.size() - 1) / 2) ? 0
                                                                                                : 1;
} catch (const std::exception& error) {  // not started as a rank, a rank that died, ...
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
