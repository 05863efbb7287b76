// `onecopy bench`: the command line of the benches.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/bench_options.hpp"
#include "cli/bench_transfer.hpp"
#include "cli/commands.hpp"
#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

constexpr std::uint64_t max_bytes = std::uint64_t{1} << 30;
constexpr std::uint64_t max_repetitions = 100'000;

/// The options as they were typed.
struct TransferOptions {
    std::string works = fmt::format("{}", fmt::join(work_names(), ","));
    std::string ways = fmt::format("{}", fmt::join(way_names(), ","));
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
    constexpr std::string_view asked = "bench transfer";
    TransferBench bench;
    bench.works = parse_names(asked, "--works", options.works, work_names());
    bench.ways = parse_names(asked, "--ways", options.ways, way_names());
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
    CLI::App* command = bench.add_subcommand(
        "transfer", "Ways of moving a message between two processes, side by side");
    auto options = std::make_shared<TransferOptions>();
    command->add_option("--works", options->works, "What is to be done")
        ->type_name("LIST")
        ->capture_default_str();
    command->add_option("--ways", options->ways, "By which means")
        ->type_name("LIST")
        ->capture_default_str();
    command->add_option("--sizes", options->sizes, "Bytes of a message, with K, M or G")
        ->type_name("LIST")
        ->capture_default_str();
    command
        ->add_option("--repetitions", options->repetitions,
                     "Messages of each kind; 0: as many as fit into a minute for all")
        ->type_name("N")
        ->capture_default_str();
    command->add_flag("--quick", options->quick, "A tenth of the time, wider spread");
    options->files.add_options(*command);
    command->callback([options, &exit_status] {
        const TransferBench asked = checked(*options);
        Report report = run_transfer_bench(asked, stdout);
        std::vector<Verdict> verdicts = judge_transfer(report.rows);
        report.verdicts.insert(report.verdicts.begin(), verdicts.begin(), verdicts.end());
        finish_report(stdout, "bench transfer", report, options->files);
        exit_status = 0;
    });
}

void add_bench_command(CLI::App& app, int& exit_status) {
    CLI::App* bench = app.add_subcommand("bench", "Measure this machine, and onecopy on it");
    bench->require_subcommand(1);
    add_bench_transfer(*bench, exit_status);
}

}  // namespace onecopy::cli
