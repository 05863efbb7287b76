// The command line of `onecopy bench collectives`.
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "cli/bench_collectives.hpp"
#include "cli/bench_job_options.hpp"
#include "cli/bench_run.hpp"
#include "cli/errors.hpp"
#include "cli/tool.hpp"

namespace onecopy::cli {
namespace {

constexpr std::string_view asked = "bench collectives";

constexpr std::string_view footer =
    "Works:\n"
    "  barrier, bcast, gather, scatter, allgather, alltoall, reduce, allreduce, reduce_scatter,\n"
    "  scan, exscan            one call after a barrier of the bench's own; sums of doubles\n"
    "  barrier_stream, bcast_stream, allreduce_stream\n"
    "                          calls back to back: the time of one\n"
    "  ibcast, ialltoall, iallreduce\n"
    "                          begun, and waited for at once\n"
    "  ibcast_overlap, ialltoall_overlap, iallreduce_overlap\n"
    "                          begun, then computing, then waited for\n"
    "Ways:\n"
    "  onecopy           this library's communicator, buffers in its arena\n"
    "  onecopy-ordinary  the same, buffers in memory that nobody prepared\n"
    "  openmpi, mpich    as installed\n"
    "  openmpi-nocma     with --mca btl_vader_single_copy_mechanism none\n"
    "  mpich-posix       with UCX_TLS=posix,self\n"
    "  gloo              Gloo over TCP; allreduce and allreduce_stream only\n"
    "  computing         no communication; the overlaps only\n"
    "Sizes are multiples of 8: of each rank's vector, in gather, scatter, allgather, alltoall and\n"
    "reduce_scatter of one rank's part. More ranks than cores share them.\n"
    "\n"
    "Examples:\n"
    "  onecopy bench collectives                          all of it, some minutes\n"
    "  onecopy bench collectives --ranks 2 --works allreduce --sizes 8,64K,1M --json a.json\n"
    "  onecopy bench collectives --works allreduce,allreduce_stream,iallreduce_overlap\n";

CollectivesBench checked(const JobOptions& typed) {
    CollectivesBench bench =
        typed.checked({asked, collectives_work_names(), collectives_ways(), false});
    for (const std::uint64_t bytes : bench.sizes) {
        if (bytes % sizeof(double) == 0) continue;
        throw WrongInput(fmt::format(
            "{}: --sizes {}: {} bytes are no whole number of doubles; choose multiples of 8", asked,
            *typed.sizes, bytes));
    }
    return bench;
}

}  // namespace

void add_bench_collectives(CLI::App& bench, int& exit_status) {
    CLI::App& command =
        add_command(bench, "collectives", "Calls that all ranks make together, ours beside MPI's",
                    std::string(footer));
    auto options = std::make_shared<JobOptions>();
    options->add(command);
    when_asked(command, asked, std::move(options), exit_status, [](const JobOptions& typed) {
        Report report = run_collectives_bench(checked(typed), stdout);
        report.verdicts = judge_collectives(report.rows);
        return report;
    });
}

}  // namespace onecopy::cli
