// `onecopy bench`: the command line of the benches.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cli/bench_collectives.hpp"
#include "cli/bench_heap.hpp"
#include "cli/bench_mpi.hpp"
#include "cli/bench_options.hpp"
#include "cli/bench_p2p.hpp"
#include "cli/bench_ranks_works.hpp"
#include "cli/bench_run.hpp"
#include "cli/bench_transfer.hpp"
#include "cli/commands.hpp"
#include "cli/errors.hpp"
#include "cli/tool.hpp"

namespace onecopy::cli {
namespace {

constexpr std::string_view asked = "bench transfer";
constexpr std::uint64_t max_bytes = std::uint64_t{1} << 30;
constexpr std::uint64_t max_repetitions = 100'000;

constexpr std::string_view bench_footer =
    "Every bench prints a table and can write the same JSON (--json); most draw a picture "
    "(--plot).\n"
    "`onecopy bench transfer --help` tells more.\n";

constexpr std::string_view transfer_footer =
    "Works:\n"
    "  read     a process copies a message out of another's memory\n"
    "  write    a process copies a message into another's memory\n"
    "  reduce   doubles of another process are added to its own\n"
    "  incast   1, 2, 4 and 8 processes send to one at once\n"
    "Ways:\n"
    "  memcpy              through memory that both have mapped: the ceiling\n"
    "  mapped              this library, both buffers in arenas\n"
    "  mapped_private      the same, the own buffer in ordinary memory\n"
    "  mapped_cooperative  both processes copy, or add, chunks of one message\n"
    "  process_vm          the bare system calls process_vm_readv and process_vm_writev\n"
    "  proc_mem            the bare reads and writes of /proc/PID/mem\n"
    "  double_copy         into shared memory and out again, pipelined\n"
    "  vmsplice            pages lent to a pipe, and read from it\n"
    "  process_vm_then_op  fetch all, then add (reduce only)\n"
    "  onecopy             this library\n"
    "\n"
    "Examples:\n"
    "  onecopy bench transfer                                 all of it, about a minute\n"
    "  onecopy bench transfer --quick --json a.json --plot a.svg\n"
    "  onecopy bench transfer --works read --ways process_vm,onecopy --sizes 4K,64K\n"
    "\n"
    "Verdicts compare onecopy with what it claims; they never change the exit status. Bytes that\n"
    "arrive wrong do: 1.\n";

/// The options as they were typed.
struct TransferOptions {
    std::string works = "all";
    std::string ways = "all";
    std::string sizes = "8,1K,4K,16K,64K,256K,1M,4M,8M,16M,64M";
    std::string repetitions = "0";
    bool quick = false;
    ReportFiles files;
};

std::uint64_t parse_repetitions(const std::string& text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number > max_repetitions) {
        throw WrongInput(
            fmt::format("bench transfer: --repetitions {}: no number from 1 to {}; "
                        "leave it out for as many as fit into a minute",
                        text, max_repetitions));
    }
    return number;
}

TransferBench checked(const TransferOptions& options) {
    TransferBench bench;
    bench.works = parse_choice(asked, "--works", options.works, work_names());
    bench.ways = parse_choice(asked, "--ways", options.ways, transfer_way_names());
    bench.sizes = parse_sizes(asked, options.sizes, max_bytes);
    bench.repetitions = parse_repetitions(options.repetitions);
    bench.quick = options.quick;
    bool any = false;
    for (const std::string& work : bench.works) {
        for (const std::string& way : bench.ways) any = any || does(way, work_named(work));
        if (work != "reduce") continue;
        for (const std::uint64_t bytes : bench.sizes) {
            if (bytes % sizeof(double) == 0) continue;
            throw WrongInput(
                fmt::format("{}: --sizes {}: {} bytes are no whole number of doubles; "
                            "choose multiples of 8, or leave reduce out of --works",
                            asked, options.sizes, bytes));
        }
    }
    if (!any) {
        throw WrongInput(fmt::format("{}: --ways {}: none of them does {}; choose another way",
                                     asked, options.ways, options.works));
    }
    options.files.check(asked);
    return bench;
}

}  // namespace

void add_bench_transfer(CLI::App& bench, int& exit_status) {
    CLI::App& command =
        add_command(bench, "transfer", "Ways of moving a message between processes, side by side",
                    std::string(transfer_footer));
    auto options = std::make_shared<TransferOptions>();
    command.add_option("--works", options->works, "What is to be done")
        ->type_name("LIST")
        ->capture_default_str();
    command.add_option("--ways", options->ways, "By which means")
        ->type_name("LIST")
        ->capture_default_str();
    command.add_option("--sizes", options->sizes, "Bytes of a message, with K, M or G")
        ->type_name("LIST")
        ->capture_default_str();
    command
        .add_option("--repetitions", options->repetitions,
                    "Messages of each kind; 0: as many as fit into a minute for all")
        ->type_name("N")
        ->capture_default_str();
    command.add_flag("--quick", options->quick, "A tenth of the time, wider spread");
    options->files.add_options(command);
    when_asked(command, asked, std::move(options), exit_status, [](const TransferOptions& typed) {
        Report report = run_transfer_bench(checked(typed), stdout);
        std::vector<Verdict> verdicts = judge_transfer(report.rows);
        report.verdicts.insert(report.verdicts.begin(), verdicts.begin(), verdicts.end());
        return report;
    });
}

void add_bench_command(CLI::App& app, int& exit_status) {
    CLI::App& bench = add_command(app, "bench", "Measure this machine, and onecopy on it",
                                  std::string(bench_footer));
    bench.require_subcommand(1);
    add_bench_transfer(bench, exit_status);
    add_bench_mpi(bench, exit_status);
    add_bench_heap(bench, exit_status);
    add_bench_p2p(bench, exit_status);
    add_bench_collectives(bench, exit_status);
    add_bench_ranks(bench, exit_status);
}

}  // namespace onecopy::cli
