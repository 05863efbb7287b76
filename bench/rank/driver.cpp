// A rank of `onecopy bench p2p` or `onecopy bench collectives`. Compiled once with each library.
//
//   onecopy-BENCH-WAY /proc/PID/fd/N [RANK]
//
// The file is the bench's control block (cli/bench_control.hpp); RANK is left out where the
// library's own launcher numbers the ranks.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>

#include "cli/bench_control.hpp"
#include "cli/bench_timing.hpp"
#include "member.hpp"

namespace {

using namespace onecopy;
using onecopy::bench::Member;

void carry_out(const cli::ControlledRank& rank, Member& member) {
    const cli::JobCommand& command = rank.command();
    const auto work = member.make_work(command, static_cast<int>(rank.control().ranks));
    cli::JobRank& report = rank.report();
    report.wrong = 0;
    const auto nothing = [] {};
    const auto progress = [&member] { member.progress(); };
    for (std::uint32_t i = 0; i < command.warm_ups + command.operations; ++i) {
        work->prepare(command.seed + i);
        rank.meet(nothing);
        const std::int64_t begin = cli::now_ns();
        work->run();
        const std::int64_t end = cli::now_ns();
        if (i >= command.warm_ups) {
            report.stamps[i - command.warm_ups] =
                work->timed() ? cli::JobStamp{begin, end} : cli::JobStamp{};
        }
        rank.meet(progress);
        if (!work->verify()) ++report.wrong;
        member.release();
        rank.meet(progress);  // what one reads in place the other must not write anew before
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) {
        std::fprintf(stderr, "usage: %s /proc/PID/fd/N [RANK]; `onecopy bench` starts it\n",
                     arguments[0]);
        return 2;
    }
    std::unique_ptr<cli::ControlledRank> rank;
    std::unique_ptr<Member> member;
    try {
        rank = std::make_unique<cli::ControlledRank>(arguments[1]);
        const cli::JobControl& control = rank->control();
        bench::Setup setup;
        setup.ranks = static_cast<int>(control.ranks);
        setup.folder = control.folder.get();
        setup.area_bytes = control.area_bytes;
        setup.largest = control.largest;
        setup.crowded = rank->crowded();
        setup.cpus = std::span(control.cpus).first(control.cpu_count);
        if (count > 2) {
            setup.rank = std::atoi(arguments[2]);
            rank->bind(setup.rank);  // so are the threads that the library makes
        }
        member = bench::join(setup);
        rank->bind(member->rank());
        if (member->rank() == 0) rank->control().library.set(bench::library());
        rank->begin(member->rank());
        while (!rank->command().work.get().empty()) {
            carry_out(*rank, *member);
            rank->answer();
        }
        member.reset();
    } catch (const std::exception& error) {
        if (rank) {
            rank->fail(error.what());
        } else {
            std::fprintf(stderr, "%s: %s\n", arguments[0], error.what());
        }
        // Not by way of the member's destructor: it may wait for others, who will not come.
        ::_exit(1);
    }
    return 0;
}
