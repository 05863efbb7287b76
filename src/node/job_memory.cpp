#include "node/job_memory.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <system_error>

namespace onecopy::node {
namespace {

/// Changes with everything that lies in the memory.
constexpr std::uint64_t version = 3;
constexpr std::uint64_t magic =
    0x6a6f'6279'7063'6e6f ^ version << 8 ^ sizeof(void*) ^ std::uint64_t{sizeof(RankLine)} << 16;

/// Communicators that can lose a member and be shrunk: address space, in pages nobody touches.
constexpr std::uint32_t records = sizeof(void*) == 8 ? 1 << 20 : 1 << 12;
/// And that can make collective calls.
constexpr std::uint32_t collective_records = sizeof(void*) == 8 ? 1 << 24 : 1 << 16;

/// Blocks of a rank for the collective calls of its communicators: address space as well.
constexpr std::uint64_t boards = sizeof(void*) == 8 ? 4096 : 80;
constexpr std::uint64_t fewest_boards = 1024;  // of a job
/// And for its messages.
constexpr std::uint64_t for_messages = 4 * stage_slots + 16;

[[noreturn]] void fail(int error, const char* what) {
    throw std::system_error(error, std::system_category(), what);
}

struct BlockCounts {
    std::uint32_t rings, boards, all;
};

/// A ring in each direction of every pair, to oneself too, and for every rank some blocks of
/// hand-offs and stages, and the boards of some communicators; in 32 bits as much as fits.
BlockCounts blocks_for(int ranks) noexcept {
    const auto count = static_cast<std::uint64_t>(ranks);
    const std::uint64_t room = std::min<std::uint64_t>(
        std::numeric_limits<std::size_t>::max() / 16 / block_bytes, FreeRuns::most);
    const std::uint64_t for_boards = std::min(std::max(boards * count, fewest_boards), room / 3);
    const std::uint64_t others = std::min(for_messages * count, room / 4);
    const std::uint64_t rings = std::min(count * count, room - others - for_boards);
    return {static_cast<std::uint32_t>(rings), static_cast<std::uint32_t>(for_boards),
            static_cast<std::uint32_t>(rings + others + for_boards)};
}

std::optional<std::uint32_t> take(std::atomic<std::uint32_t>& counter, std::uint32_t end,
                                  std::uint32_t count) noexcept {
    std::uint32_t number = counter.load(std::memory_order_relaxed);
    do {
        if (number > end || count > end - number) return {};
    } while (!counter.compare_exchange_weak(number, number + count, std::memory_order_relaxed));
    return number;
}

}  // namespace

ProcessLife life_of(int pid) noexcept {
    std::array<char, 64> path;
    std::snprintf(path.data(), path.size(), "/proc/%d/stat", pid);
    const os::Fd file(::open(path.data(), O_RDONLY | O_CLOEXEC));
    std::array<char, 1024> text;
    const ssize_t got = file ? ::read(file.get(), text.data(), text.size() - 1) : -1;
    if (got <= 0) return {};
    text[static_cast<std::size_t>(got)] = '\0';
    // The second field is the program's name in parentheses, which may hold anything; the state
    // behind it is the third, the time the twenty-second.
    const char* at = std::strrchr(text.data(), ')');
    if (at == nullptr || at[1] == '\0') return {};
    ProcessLife life;
    life.state = at[2];
    for (int field = 2; at != nullptr && field < 22; ++field) at = std::strchr(at + 1, ' ');
    if (at != nullptr) life.start_ticks = std::strtoull(at, nullptr, 10);
    return life;
}

std::uint64_t own_pid_namespace() noexcept {
    struct stat facts {};
    return ::stat("/proc/self/ns/pid", &facts) == 0 ? facts.st_ino : 0;
}

std::size_t JobMemory::blocks_offset(int ranks) noexcept {
    const std::size_t end = lines_offset + static_cast<std::size_t>(ranks) * sizeof(RankLine);
    return (end + 4095) / 4096 * 4096;
}

std::size_t JobMemory::bytes_for(const JobSizes& sizes) noexcept {
    return blocks_offset(static_cast<int>(sizes.ranks)) + std::size_t{sizes.blocks} * block_bytes +
           std::size_t{sizes.records} * sizeof(CommunicatorRecord) +
           std::size_t{sizes.collective_records} * sizeof(CollectiveRecord) +
           std::size_t{sizes.boards} * sizeof(RunLink);
}

JobMemory JobMemory::create(int ranks) {
    if (ranks < 1 || ranks > max_ranks) fail(EINVAL, "onecopy: a job of that many ranks");
    JobMemory memory;
    const auto [rings, boards_of_all, blocks] = blocks_for(ranks);
    const JobSizes sizes{magic,
                         static_cast<std::uint32_t>(ranks),
                         blocks,
                         rings,
                         boards_of_all,
                         records,
                         collective_records};
    memory.segment_ = os::JobSegment::create(bytes_for(sizes));
    JobHead& head = memory.head();
    static_cast<JobSizes&>(head) = sizes;
    memory.find_parts();
    head.taken_contexts.store(1, std::memory_order_relaxed);
    for (int rank = 0; rank < ranks; ++rank) {
        if (!os::Lifeline::make_at(&memory.line(rank).life))
            fail(ENOMEM, "onecopy: a job's memory");
    }
    return memory;
}

JobMemory JobMemory::adopt(os::Fd fd) {
    JobMemory memory;
    memory.segment_ = os::JobSegment::adopt(std::move(fd), lines_offset);
    const JobHead& head = memory.head();
    const auto ranks = static_cast<int>(head.ranks);
    if (head.magic != magic || ranks < 1 || ranks > max_ranks ||
        memory.segment_.bytes().size() < bytes_for(head)) {
        fail(EINVAL, "onecopy: join a job: its memory is another version's or width's");
    }
    memory.find_parts();
    return memory;
}

void JobMemory::find_parts() noexcept {
    blocks_ = segment_.bytes().data() + blocks_offset(ranks());
    records_ = blocks_ + std::size_t{head().blocks} * block_bytes;
    collective_records_ = records_ + std::size_t{head().records} * sizeof(CommunicatorRecord);
    links_ =
        collective_records_ + std::size_t{head().collective_records} * sizeof(CollectiveRecord);
}

std::optional<std::uint32_t> JobMemory::take_ring() const noexcept {
    return take(head().taken_rings, head().rings, 1);
}

std::optional<std::uint32_t> JobMemory::take_blocks(std::uint32_t count) const noexcept {
    JobHead& shared = head();
    const auto number =
        take(shared.taken_blocks, shared.blocks - shared.rings - shared.boards, count);
    if (!number) return {};
    return shared.rings + *number;
}

std::optional<JobMemory::BoardRun> JobMemory::take_board_run(RunLength length) const noexcept {
    JobHead& shared = head();
    const bool one = length == RunLength::block;
    const std::uint32_t used =
        (one ? shared.free_boards : shared.free_frames).take([this](std::uint32_t run) -> RunLink& {
            return board_link(run - 1);
        });
    if (used != 0) return BoardRun{used - 1, true};
    const auto number = take(shared.taken_boards, shared.boards, one ? 1 : blocks_of_frames);
    if (!number) return {};
    return BoardRun{shared.blocks - shared.boards + *number, false};
}

void JobMemory::give_back_board_runs(RunLength length, std::uint32_t first,
                                     std::uint32_t last) const noexcept {
    JobHead& shared = head();
    (length == RunLength::block ? shared.free_boards : shared.free_frames)
        .give([this](std::uint32_t run) -> RunLink& { return board_link(run - 1); }, first + 1,
              last + 1);
}

}  // namespace onecopy::node
