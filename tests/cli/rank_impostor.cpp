// Stands in for a rank of `onecopy bench ranks --works kill` in tests, and misbehaves.
//
//   rank_impostor kill /proc/PID/fd/N [CPU]
//
// ONECOPY_IMPOSTOR: "deaf" never learns of a death; "hasty" has an error at once; "wrong" finds
// wrong bytes; "heir" learns of it as it should, but leaves a process that has its memory, until
// the end of what it inherited as descriptor 250.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "cli/bench_ranks_board.hpp"
#include "cli/bench_timing.hpp"

namespace {

using namespace onecopy::cli;

constexpr int until = 250;

void leave_an_heir(BoardLine& line) {
    const int memory = ::memfd_create("onecopy-heirloom", 0);
    struct stat facts {};
    ::fstat(memory, &facts);
    line.files[0] = facts.st_ino;
    if (::fork() != 0) return;
    char none = 0;
    while (::read(until, &none, 1) > 0) {
    }
    ::_exit(0);
}

void wait_for_the_end_of(int pid) {
    const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    pollfd end{handle, POLLIN, 0};
    ::poll(&end, 1, -1);
}

}  // namespace

int main(int count, char** arguments) {
    const char* const role = std::getenv("ONECOPY_IMPOSTOR");
    const char* const rank = std::getenv("ONECOPY_RANK");
    if (count < 3 || role == nullptr || rank == nullptr) return 2;
    const std::string_view like = role;
    const BoardMapping board(arguments[2]);
    BoardLine& line = board->lines[static_cast<std::size_t>(std::atoi(rank))];
    line.pid = ::getpid();
    if (like == "heir") leave_an_heir(line);
    line.say(Seen::joined);
    const auto has_error = [&] {
        line.error_ns = now_ns();
        line.right_error = 1;
        line.say(Seen::error);
    };
    if (like == "wrong") line.fail("wrong bytes came");
    if (like == "hasty") has_error();
    line.rounds.store(3);
    if (like == "heir") {
        BoardLine& other = board->lines[static_cast<std::size_t>(1 - std::atoi(rank))];
        while (!other.has(Seen::joined)) ::usleep(1000);
        wait_for_the_end_of(other.pid);
        has_error();
        while (board->over.load() == 0) ::usleep(1000);
        return 0;
    }
    for (;;) ::pause();
}
