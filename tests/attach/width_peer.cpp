// A program of the other word width, for mixed_width_test.cpp.
//
//   width_peer offer BYTES              fills memory with pattern 5, prints its address, waits for
//   the end
//                                       of its input, answers whether pattern 6 is there now
//   width_peer move PID ADDRESS BYTES   reads pattern 5 from there, then writes pattern 6
// Exit status: 0 all right; 1 wrong bytes; 2 an error, told on stderr.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "attach/transfer.hpp"
#include "support/memory.hpp"

namespace {

using namespace onecopy;
using namespace onecopy::test;

int offer(std::size_t bytes) {
    const Memory memory(bytes);
    fill(memory.span(0, bytes), 5);
    std::printf("%d %llu\n", ::getpid(), static_cast<unsigned long long>(memory.address()));
    std::fflush(stdout);
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    return first_difference(memory.span(0, bytes), 6) == bytes ? 0 : 1;
}

int report(const char* what, const Transfer& got) {
    std::fprintf(stderr, "%s: %llu bytes, %s\n", what, static_cast<unsigned long long>(got.bytes),
                 got.error.message().c_str());
    return 2;
}

int move(int pid, std::uint64_t address, std::size_t bytes) {
    const Process process(pid);
    std::vector<std::byte> here(bytes);
    const Transfer got = read(process, address, here);
    if (got.error || got.bytes != bytes) return report("read", got);
    if (first_difference(here, 5) != bytes) return 1;
    // By the system call alone: right, or refused where our lists cannot say such an address. Never
    // the bytes at what is left of it.
    std::vector<std::byte> alone(bytes);
    const Segment local(alone);
    const RemoteSegment remote{address, bytes};
    const attach::Engine* const call = &attach::process_vm_engine();
    const Transfer only = attach::read(process.target(), std::span(&remote, 1),
                                       std::span(&local, 1), std::span(&call, 1));
    const bool sayable = address + bytes - 1 <= UINTPTR_MAX;
    if (sayable ? only.bytes != bytes : only.bytes != 0 || !only.error) return report("call", only);
    if (sayable && first_difference(alone, 5) != bytes) return 1;
    fill(here, 6);
    for (const bool held : {false, true}) {
        const Process target(pid, {false, held});
        const Transfer put = write(target, here, address);
        if (put.error || put.bytes != bytes) return report("write", put);
    }
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    const std::string_view mode = count > 1 ? arguments[1] : "";
    const auto number = [&](int i) { return std::strtoull(arguments[i], nullptr, 0); };
    if (mode == "offer" && count == 3) return offer(static_cast<std::size_t>(number(2)));
    if (mode == "move" && count == 5) {
        return move(static_cast<int>(number(2)), number(3), static_cast<std::size_t>(number(4)));
    }
    std::fprintf(stderr, "usage: width_peer offer BYTES | move PID ADDRESS BYTES\n");
    return 2;
}
