// The piece of memory in which the ranks of `onecopy bench ranks` write down what they saw.
//
// It is a memfd of the bench, which the ranks open as /proc/PID/fd/N. Each rank writes its own line
// and the bench reads it; only `over` goes the other way. Nothing of it goes through the messages
// that are measured. All times are CLOCK_MONOTONIC, which is one clock for all processes.
//
//   seen      bits of what the line holds by now   set by the rank when it is written (release),
//                                                  loaded by the bench before it reads (acquire)
//   rounds    of the traffic that are behind it    stored by the rank, a hint
//   over      the ranks may end                    stored by the bench
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "os/fd.hpp"
#include "os/mapping.hpp"

namespace onecopy::cli {

inline constexpr std::size_t max_board_ranks = 4096;

/// What a rank's memory consists of, in bytes. The buffers of its messages are not in it.
struct RankMemory {
    std::uint64_t heap = 0;       // private and dirty: what malloc grew
    std::uint64_t stacks = 0;     // the first thread's
    std::uint64_t files = 0;      // private and dirty pages of programs and libraries
    std::uint64_t anonymous = 0;  // all else that is private and dirty
    std::uint64_t arena = 0;      // allocated in the arena's file
    std::uint64_t job = 0;        // rank 0: allocated in the job's memory, by all ranks

    [[nodiscard]] std::uint64_t private_dirty() const noexcept {
        return heap + stacks + files + anonymous;
    }
};

enum class Seen : std::uint32_t {
    joined = 1,    // pid, files, joined_ns
    met = 2,       // met_ns: it has passed what all pass first
    verified = 4,  // done_ns: all that it received was right
    memory = 8,    // memory
    error = 16,    // error_ns, error, right_error
    wrong = 32     // words: what went wrong
};

struct alignas(64) BoardLine {
    std::atomic<std::uint32_t> seen;
    std::atomic<std::uint32_t> rounds;
    pid_t pid;
    std::int64_t joined_ns, met_ns, done_ns, error_ns;
    std::int32_t error;           // its value
    std::uint32_t right_error;    // whether it was Errc::peer_died
    std::array<char, 24> inside;  // which piece of the traffic it is in, or got the error from
    /// Inodes of the memfds of ours that it has mapped.
    std::array<std::uint64_t, 4> files;
    RankMemory memory;
    std::array<char, 160> words;

    [[nodiscard]] bool has(Seen what) const noexcept {
        return (seen.load(std::memory_order_acquire) & static_cast<std::uint32_t>(what)) != 0;
    }
    void say(Seen what) noexcept {
        seen.fetch_or(static_cast<std::uint32_t>(what), std::memory_order_release);
    }
    void fail(std::string_view why) noexcept {
        std::copy_n(why.begin(), std::min(why.size(), words.size() - 1), words.begin());
        say(Seen::wrong);
    }
};

/// Zero bytes are a fresh one; lines that no rank writes take no memory.
struct Board {
    std::atomic<std::uint32_t> over;
    std::array<BoardLine, max_board_ranks> lines;
};

/// A mapped Board.
class BoardMapping {
public:
    /// Of a descriptor of at least its size. Throws std::system_error.
    explicit BoardMapping(int fd)
        : mapping_(sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, fd) {
        if (!mapping_) throw std::system_error(errno, std::system_category(), "map the board");
    }
    /// What the bench passed, "/proc/PID/fd/N". Throws std::system_error.
    explicit BoardMapping(const char* path) : BoardMapping(open_board(path).get()) {}

    [[nodiscard]] Board& operator*() const noexcept {
        return *reinterpret_cast<Board*>(mapping_.data());
    }
    [[nodiscard]] Board* operator->() const noexcept { return &**this; }

private:
    static os::Fd open_board(const char* path) {
        os::Fd fd(::open(path, O_RDWR | O_CLOEXEC));
        if (!fd) throw std::system_error(errno, std::system_category(), path);
        return fd;
    }

    os::Mapping mapping_;
};

}  // namespace onecopy::cli
