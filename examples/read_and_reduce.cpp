// Reads another process's memory, and adds it to ours without copying it first.
//
// The other process here is a child that fills an array; any process whose memory you may reach
// (`onecopy doctor PID` tells) does as well, given an address.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <numeric>
#include <onecopy/reduce.hpp>
#include <onecopy/transfer.hpp>
#include <vector>

int main() {
    std::vector<double> numbers(1 << 20);
    int ready[2];
    if (pipe(ready) != 0) return 1;
    const pid_t child = fork();
    if (child == 0) {
        std::iota(numbers.begin(), numbers.end(), 0.0);  // its own copy, at the same address
        (void)!write(ready[1], "!", 1);
        for (;;) pause();
    }
    char byte = 0;
    if (read(ready[0], &byte, 1) != 1) return 1;

    const onecopy::Process process(child);
    const auto address = reinterpret_cast<std::uint64_t>(numbers.data());
    const auto local = std::as_writable_bytes(std::span(numbers));

    onecopy::read(process, address, local).or_throw();
    std::printf("read:    numbers[1000] = %g\n", numbers[1000]);

    const onecopy::RemoteSegment remote{address, local.size()};
    onecopy::reduce(process, {&local, 1}, {&remote, 1}, onecopy::Op::sum, onecopy::Type::float64)
        .or_throw();
    std::printf("reduced: numbers[1000] = %g\n", numbers[1000]);

    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    std::printf("alive:   %s\n", process.alive() ? "yes" : "no");
    return numbers[1000] == 2000 ? 0 : 1;
}
