// A rank of `onecopy bench ranks`.
//
//   onecopy-ranks-driver start /proc/PID/fd/N          a barrier, and a message to the right
//   onecopy-ranks-driver collectives /proc/PID/fd/N    an allreduce and an allgather
//   onecopy-ranks-driver memory /proc/PID/fd/N PEERS   messages with that many peers, and a count
//   onecopy-ranks-driver kill /proc/PID/fd/N [CPU]     messages until one of them is killed
//   onecopy-ranks-driver kill_collectives /proc/PID/fd/N [CPU]
//                                                      the same with collectives
//
// The file is the bench's board (cli/bench_ranks_board.hpp). It is linked as a user's program is.
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "collective_traffic.hpp"
#include "onecopy/node.hpp"
#include "own_memory.hpp"
#include "traffic.hpp"

namespace {

using namespace onecopy;
using bench::Buffers;
using cli::Board;
using cli::BoardLine;
using cli::Seen;

std::int64_t now_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// The line of `rank`, which is this process from now on.
BoardLine& join(Board& board, int rank) {
    BoardLine& line = board.lines[static_cast<std::size_t>(rank)];
    line.pid = ::getpid();
    std::size_t count = 0;
    std::uint64_t last = 0;
    bench::for_each_line("/proc/self/maps", [&](std::string_view text) {
        if (!bench::word(text, 5).starts_with("/memfd:onecopy")) return;
        const std::uint64_t inode = bench::number(bench::word(text, 4));
        if (inode == last || count == line.files.size()) return;
        line.files[count++] = last = inode;
    });
    line.joined_ns = now_ns();
    line.say(Seen::joined);
    return line;
}

void verify(BoardLine& line, bool right) {
    if (!right) return line.fail("wrong bytes came");
    line.done_ns = now_ns();
    line.say(Seen::verified);
}

void start(Node& node, Board& board) {
    Communicator& world = node.world();
    BoardLine& line = join(board, world.rank());
    world.barrier();
    line.met_ns = now_ns();
    line.say(Seen::met);
    std::vector<std::byte> out(1024), in(out.size());
    const int left = (world.rank() + world.size() - 1) % world.size();
    bench::stamp(out, world.rank(), 1);
    world.sendrecv(ConstSegment(out), (world.rank() + 1) % world.size(), 0, Segment(in), left, 0);
    verify(line, bench::is_stamped(in, left, 1));
}

void pass_collectives(Node& node, Board& board) {
    Communicator& world = node.world();
    BoardLine& line = join(board, world.rank());
    const int ranks = world.size();
    const int sum = world.allreduce(world.rank() + 1, Op::sum);
    line.met_ns = now_ns();
    line.say(Seen::met);
    const std::vector<int> own = {world.rank()};
    std::vector<int> all(static_cast<std::size_t>(ranks), -1);
    world.allgather(own, all);
    bool right = sum == ranks * (ranks + 1) / 2;
    for (int rank = 0; rank < ranks; ++rank) right &= all[static_cast<std::size_t>(rank)] == rank;
    verify(line, right);
}

/// In the job's memory, which the launcher has left as a descriptor.
std::uint64_t job_bytes() {
    const char* const job = std::getenv("ONECOPY_JOB");
    constexpr std::string_view by_descriptor = "fd:";
    if (job == nullptr || !std::string_view(job).starts_with(by_descriptor)) return 0;
    return bench::allocated(std::atoi(job + by_descriptor.size()));
}

void memory(Node& node, Board& board, int peers) {
    constexpr std::size_t buffer_bytes = std::size_t{256} << 10;
    Communicator& world = node.world();
    BoardLine& line = join(board, world.rank());
    world.barrier();
    Buffers buffers(node.arena(), buffer_bytes);
    verify(line, bench::talk_to_peers(world, buffers, peers));
    world.barrier();  // nobody needs this rank's memory any more
    buffers.drop_ordinary();
    line.memory = bench::own_private_memory();
    line.memory.arena = bench::allocated(node.arena().fd()) - buffers.arena_bytes();
    if (world.rank() == 0) line.memory.job = job_bytes();
    line.say(Seen::memory);
    world.barrier();
}

/// Goes on until somebody dies. Then this rank is silent until the bench says that it is over, so
/// that the others must find out for themselves.
template <class Traffic>
void wait_for_a_death(Node& node, Board& board) {
    constexpr std::size_t buffer_bytes = std::size_t{256} << 10;
    Communicator& world = node.world();
    const Buffers buffers(node.arena(), buffer_bytes);
    BoardLine& line = join(board, world.rank());
    Traffic traffic(world, buffers);
    try {
        for (std::uint32_t step = 0;; ++step) {
            std::strncpy(line.inside.data(), traffic.name_of(step), line.inside.size() - 1);
            if (!traffic.take(step)) return line.fail("wrong bytes came");
            line.rounds.store(step + 1, std::memory_order_release);
        }
    } catch (const std::system_error& error) {
        line.error_ns = now_ns();
        line.error = error.code().value();
        line.right_error = error.code() == Errc::peer_died ? 1 : 0;
        if (line.right_error == 0) line.fail(error.what());
        line.say(Seen::error);
    }
    while (board.over.load(std::memory_order_acquire) == 0) ::usleep(1000);
}

void bind_to(const char* cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(std::atoi(cpu)), &set);
    ::sched_setaffinity(0, sizeof set, &set);  // where it is refused it goes on unbound
}

}  // namespace

int main(int count, char** arguments) {
    const std::string_view work = count > 2 ? arguments[1] : "";
    const char* const third = count > 3 ? arguments[3] : nullptr;
    const bool kills = work == "kill" || work == "kill_collectives";
    const bool starts = work == "start" || work == "collectives";
    if (!starts && !kills && (work != "memory" || third == nullptr)) {
        std::fprintf(stderr,
                     "usage: %s start|collectives|memory|kill|kill_collectives /proc/PID/fd/N "
                     "[PEERS|CPU]; `onecopy bench ranks` starts it\n",
                     arguments[0]);
        return 2;
    }
    try {
        const cli::BoardMapping board(arguments[2]);
        if (kills && third != nullptr) bind_to(third);
        Node node;
        if (work == "start") start(node, *board);
        if (work == "collectives") pass_collectives(node, *board);
        if (work == "memory") memory(node, *board, std::atoi(third));
        if (work == "kill") wait_for_a_death<bench::Traffic>(node, *board);
        if (work == "kill_collectives") wait_for_a_death<bench::CollectiveTraffic>(node, *board);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
