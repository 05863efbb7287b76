// Sixty-four processes, each attached to the arenas of all others, with few windows.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "onecopy/arena.hpp"
#include "onecopy/attachment.hpp"
#include "onecopy/handover.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/sanitizers.hpp"

namespace onecopy::test {
namespace {

constexpr std::size_t mib = 1 << 20;
constexpr int peers = 64;
constexpr std::size_t most_windows = 16;
constexpr std::size_t block_bytes = 100000;
constexpr std::size_t blocks_each = 12;  // in different windows

/// In memory that all share.
struct Board {
    struct Peer {
        std::array<char, 80> door;
        std::array<std::uint64_t, blocks_each> blocks;
    };
    std::array<Peer, peers> of;
    std::atomic<int> open, attached, done;
};

/// All wait until `count` reaches everybody; false if it takes too long.
bool wait_for_all(std::atomic<int>& count) {
    ++count;
    return eventually([&] { return count >= peers; });
}

std::size_t entries(const char* directory) {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(directory), {}));
}

std::size_t lines_of(const char* file) {
    std::ifstream in(file);
    std::size_t lines = 0;
    for (std::string line; std::getline(in, line);) ++lines;
    return lines;
}

std::size_t resident(const Arena& arena) {
    struct stat facts {};
    return ::fstat(arena.fd(), &facts) == 0 ? static_cast<std::size_t>(facts.st_blocks) * 512 : 0;
}

/// What one of them does; 0, or where it failed.
int be_a_peer(Board& board, int me, const JobSecret& secret) {
    Arena arena({.capacity_bytes = 64 * mib});
    Board::Peer& mine = board.of[static_cast<std::size_t>(me)];
    std::vector<void*> between;
    for (std::size_t i = 0; i < blocks_each; ++i) {
        auto* const block = static_cast<std::byte*>(arena.allocate(block_bytes, 64));
        fill({block, block_bytes}, static_cast<unsigned>(me * 100) + static_cast<unsigned>(i));
        mine.blocks[i] = reinterpret_cast<std::uintptr_t>(block);
        between.push_back(arena.allocate(4 * mib, 64));  // never touched
    }
    const std::size_t own = resident(arena);
    ArenaDoor door(arena, secret);
    std::strncpy(mine.door.data(), door.name().c_str(), mine.door.size() - 1);
    std::atomic<bool> closing{false};
    std::thread porter([&] {
        while (!closing) {
            pollfd waiting{door.fd(), POLLIN, 0};
            ::poll(&waiting, 1, 20);
            door.answer();
        }
    });
    const auto work = [&]() -> int {
        if (!wait_for_all(board.open)) return 1;
        const std::size_t fds_before = entries("/proc/self/fd");
        const std::size_t maps_before = lines_of("/proc/self/maps");
        const Windows windows({.window_bytes = 2 * mib, .windows = most_windows});
        std::vector<Attachment> others;
        for (int i = 0; i < peers; ++i) {
            others.push_back(knock(windows, board.of[static_cast<std::size_t>(i)].door.data(),
                                   secret, std::chrono::milliseconds(deadlock_guard_ms)));
        }
        if (!wait_for_all(board.attached)) return 2;
        std::mt19937 random(static_cast<unsigned>(me));
        for (int round = 0; round < 3000; ++round) {
            const std::size_t peer = random() % peers, block = random() % blocks_each;
            std::error_code error;
            std::uint64_t at = 0;
            while (at < block_bytes) {  // a block may lie across two windows
                const View view =
                    others[peer].reach(board.of[peer].blocks[block] + at, block_bytes - at, error);
                if (error || view.bytes().empty()) return 3;
                const auto seed = static_cast<unsigned>(peer * 100 + block);
                const std::size_t within = random() % view.bytes().size();
                if (view.bytes()[within] != pattern(seed, static_cast<std::size_t>(at) + within)) {
                    return 4;
                }
                at += view.bytes().size();
            }
            if (windows.mapped() > most_windows) return 5;
        }
        // One descriptor and one page for each peer, and the windows.
        if (entries("/proc/self/fd") > fds_before + peers + 2) return 6;
        if (lines_of("/proc/self/maps") > maps_before + peers + 2 * most_windows + 8) return 7;
        return 0;
    };
    const int result = work();
    // Nobody's memory grew by being looked at.
    const bool all_done = wait_for_all(board.done);
    closing = true;
    porter.join();
    if (result != 0) return result;
    if (!all_done) return 8;
    return resident(arena) == own ? 0 : 9;
}

TEST(ManyPeers, NeedNoMoreThanTheirArenasAndTheirWindows) {
    ONECOPY_NOT_UNDER_TSAN("its own mappings");
    const Memory memory(sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    auto& board = *new (memory.data()) Board{};
    const JobSecret secret = make_job_secret();
    std::vector<pid_t> all;
    for (int me = 0; me < peers; ++me) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::alarm(10 * deadlock_guard_ms / 1000);
            int result = 99;
            try {
                result = be_a_peer(board, me, secret);
            } catch (const std::exception& error) {
                std::fprintf(stderr, "peer %d: %s\n", me, error.what());
            }
            ::_exit(result);
        }
        all.push_back(child);
    }
    for (const pid_t each : all) {
        int status = 0;
        EXPECT_EQ(::waitpid(each, &status, 0), each);
        EXPECT_EQ(status, 0) << "where it failed: " << WEXITSTATUS(status);
    }
}

}  // namespace
}  // namespace onecopy::test
