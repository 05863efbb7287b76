// A 32-bit and a 64-bit process read and write each other: semantics.md, section 10.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "onecopy/transfer.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"

#ifndef ONECOPY_OTHER_WIDTH_PEER
#define ONECOPY_OTHER_WIDTH_PEER ""
#endif

namespace onecopy::test {
namespace {

constexpr std::size_t bytes = 100000;

/// Whether programs of the other width can be built and run here.
bool peer_runs() {
    const std::string path = ONECOPY_OTHER_WIDTH_PEER;
    return !path.empty() && WEXITSTATUS(std::system((path + " 2>/dev/null").c_str())) == 2;
}
#define NEEDS_A_PEER() \
    if (!peer_runs()) GTEST_SKIP() << "no compiler or no kernel support for the other word width"

int peer_moves(int pid, std::uint64_t address) {
    const std::string command = std::string(ONECOPY_OTHER_WIDTH_PEER) + " move " +
                                std::to_string(pid) + " " + std::to_string(address) + " " +
                                std::to_string(bytes);
    return WEXITSTATUS(std::system(command.c_str()));
}

const Job has_pattern = [](const Words& w) -> std::int64_t {
    return first_difference(bytes_in(w, 0), static_cast<unsigned>(w[2])) == size_in(w, 1);
};

TEST(MixedWidth, APeerOfTheOtherWidthIsReadAndWritten) {
    NEEDS_A_PEER();
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    ASSERT_EQ(::pipe(in.data()), 0);
    ASSERT_EQ(::pipe(out.data()), 0);
    const pid_t peer = ::fork();
    if (peer == 0) {
        ::dup2(in[0], STDIN_FILENO);
        ::dup2(out[1], STDOUT_FILENO);
        for (const int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
        ::execl(ONECOPY_OTHER_WIDTH_PEER, "width_peer", "offer", std::to_string(bytes).c_str(),
                nullptr);
        ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    std::array<char, 64> line{};
    ASSERT_GT(::read(out[0], line.data(), line.size() - 1), 0);
    int pid = 0;
    unsigned long long address = 0;
    ASSERT_EQ(std::sscanf(line.data(), "%d %llu", &pid, &address), 2);
    EXPECT_EQ(pid, peer);
    {
        const Process process(pid);
        const Memory near(bytes);
        const Transfer got = read(process, address, near.span(0, bytes));
        EXPECT_EQ(got.bytes, bytes);
        EXPECT_FALSE(got.error) << got.error.message();
        EXPECT_EQ(first_difference(near.span(0, bytes), 5), bytes);
        fill(near.span(0, bytes), 6);
        const Transfer put = write(process, near.span(0, bytes), address);
        EXPECT_EQ(put.bytes, bytes);
        EXPECT_FALSE(put.error) << put.error.message();
    }
    ::close(in[1]);  // now it looks
    int status = 0;
    ASSERT_EQ(::waitpid(peer, &status, 0), peer);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ::close(out[0]);
}

TEST(MixedWidth, APeerOfTheOtherWidthReadsAndWritesOurHighMemory) {
    NEEDS_A_PEER();
    const Memory memory(bytes);  // above 4 GiB in a 64-bit build
    fill(memory.span(0, bytes), 5);
    Child target;
    EXPECT_EQ(peer_moves(target.pid(), memory.address()), 0);
    EXPECT_EQ(target.run(has_pattern, memory.data(), bytes, 6), 1);
}

TEST(MixedWidth, APeerOfTheOtherWidthReadsAndWritesOurLowMemory) {
    NEEDS_A_PEER();
    auto* const low = static_cast<std::byte*>(
        ::mmap(reinterpret_cast<void*>(0x10000000), 128 << 10, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    if (low != reinterpret_cast<std::byte*>(0x10000000)) GTEST_SKIP() << "that address is taken";
    fill({low, bytes}, 5);
    Child target;
    EXPECT_EQ(peer_moves(target.pid(), 0x10000000), 0);
    EXPECT_EQ(target.run(has_pattern, low, bytes, 6), 1);
    ::munmap(low, 128 << 10);
}

}  // namespace
}  // namespace onecopy::test
