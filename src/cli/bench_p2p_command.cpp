// The command line of `onecopy bench p2p`.
#include <memory>
#include <utility>

#include "cli/bench_job_options.hpp"
#include "cli/bench_p2p.hpp"
#include "cli/bench_p2p_ways.hpp"
#include "cli/bench_run.hpp"
#include "cli/tool.hpp"

namespace onecopy::cli {
namespace {

constexpr std::string_view asked = "bench p2p";

constexpr std::string_view footer =
    "Works:\n"
    "  latency         half of a message to and fro\n"
    "  bandwidth       one message one way\n"
    "  bandwidth_cold  the same, with both buffers in no cache\n"
    "  bidirectional   a message each way at once\n"
    "  stream          64 messages one way, all under way at once\n"
    "  message_rate    8-byte messages in windows of 64\n"
    "  incast          all ranks but the first send it a message at once (4 ranks and more)\n"
    "Ways:\n"
    "  memcpy            one core's memcpy through memory that both have mapped: the ceiling\n"
    "  onecopy           this library's communicator, messages in its arena\n"
    "  onecopy-ordinary  the same, messages in memory that nobody prepared\n"
    "  openmpi, mpich    as installed\n"
    "  openmpi-nocma     with --mca btl_vader_single_copy_mechanism none\n"
    "  mpich-posix       with UCX_TLS=posix,self\n"
    "  zeromq            PAIR sockets over ipc://\n"
    "  boost             a Boost.Interprocess message queue\n"
    "  boost-offset      its managed shared memory: an offset is handed over, nothing copied\n"
    "  iceoryx           loan and publish: nothing copied\n"
    "  unix, pipe        a Unix stream socket; pipes\n"
    "More than two ranks work in pairs at the same time; more ranks than cores share them.\n"
    "\n"
    "Examples:\n"
    "  onecopy bench p2p                                  all of it, about two minutes\n"
    "  onecopy bench p2p --ranks 2 --works bandwidth --sizes 64K,1M --json a.json\n";

}  // namespace

void add_bench_p2p(CLI::App& bench, int& exit_status) {
    CLI::App& command =
        add_command(bench, "p2p", "Messages between two processes, ours beside MPI's and others'",
                    std::string(footer));
    auto options = std::make_shared<JobOptions>();
    options->add(command);
    when_asked(command, asked, std::move(options), exit_status, [](const JobOptions& typed) {
        const P2pBench wanted = typed.checked({asked, p2p_work_names(), p2p_ways(), true});
        Report report = run_p2p_bench(wanted, stdout);
        report.verdicts = judge_p2p(report.rows);
        return report;
    });
}

}  // namespace onecopy::cli
