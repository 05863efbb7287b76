// The command line of `onecopy bench ranks`.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <memory>
#include <utility>

#include "cli/bench_options.hpp"
#include "cli/bench_program.hpp"
#include "cli/bench_ranks_works.hpp"
#include "cli/bench_run.hpp"
#include "cli/errors.hpp"
#include "cli/tool.hpp"

namespace onecopy::cli {
namespace {

constexpr std::string_view asked = "bench ranks";
constexpr std::array<std::string_view, 5> works = {"start", "collectives", "memory", "kill",
                                                   "kill_collectives"};
constexpr int max_ranks = 4096;
constexpr int max_rounds = 100'000;

constexpr std::string_view footer =
    "Works:\n"
    "  start             ranks are started, meet at a barrier, send to their neighbour, and end\n"
    "  collectives       the same with an allreduce and an allgather\n"
    "  memory            what a rank that talks to ten others has for itself\n"
    "  kill              one of 2, and of 4, ranks is killed amid messages: when the others learn "
    "of it\n"
    "  kill_collectives  the same amid collectives\n"
    "\n"
    "Examples:\n"
    "  onecopy bench ranks                               all of it, some minutes\n"
    "  onecopy bench ranks --works start --ranks 4096\n"
    "  onecopy bench ranks --works kill --rounds 1000 --json a.json\n"
    "\n"
    "Verdicts never change the exit status. A survivor that never learns of a death does, and\n"
    "bytes that arrive wrong: 1.\n";

/// The options as they were typed.
struct RanksOptions {
    std::string works = "all";
    std::string ranks = "1024";
    std::string rounds = "200";
    ReportFiles files;
};

int parse_count(std::string_view option, const std::string& text, int least, int most) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < least ||
        number > most) {
        throw WrongInput(fmt::format("{}: {} {}: no number from {} to {}; choose one", asked,
                                     option, text, least, most));
    }
    return number;
}

RanksBench checked(const RanksOptions& options) {
    RanksBench bench;
    bench.works = parse_choice(asked, "--works", options.works, works);
    bench.ranks = parse_count("--ranks", options.ranks, 2, max_ranks);
    bench.rounds = parse_count("--rounds", options.rounds, 1, max_rounds);
    options.files.check(asked);
    find_ranks_programs(bench);
    return bench;
}

std::string_view heading_of(std::string_view work) {
    if (work == "start") return "start: seconds from the launcher's start until";
    if (work == "collectives") {
        return "collectives: seconds from the launcher's start until";
    }
    if (work == "memory") return "memory: of a rank that talks to others";
    if (work == "kill") return "kill: kill -9 of one rank amid messages";
    return "kill_collectives: kill -9 of one rank amid collectives";
}

}  // namespace

std::span<const std::string_view> ranks_work_names() noexcept { return works; }

void find_ranks_programs(RanksBench& bench) {
    bench.tool = find_beside_tool("onecopy");
    bench.driver = find_beside_tool("onecopy-ranks-driver");
    bench.empty = find_beside_tool("onecopy-ranks-empty");
}

Report run_ranks_bench(const RanksBench& bench, std::FILE* out) {
    for (const auto& [name, path] :
         {std::pair("onecopy", &bench.tool), std::pair("onecopy-ranks-driver", &bench.driver),
          std::pair("onecopy-ranks-empty", &bench.empty)}) {
        if (!path->empty()) continue;
        throw Failure(
            fmt::format("{}: find {}: it is neither built beside the tool nor installed; "
                        "build or install the tool anew",
                        asked, name));
    }
    Report report;
    report.title = "onecopy bench ranks";
    report.machine = this_machine();
    for (const std::string& work : bench.works) {
        const std::size_t first = report.figures.size();
        if (work == "start") measure_start(bench, report);
        if (work == "memory") measure_memory(bench, report);
        if (work == "collectives") measure_collectives(bench, report);
        if (work == "kill" || work == "kill_collectives") measure_kill(bench, work, report);
        print_figures(out, heading_of(work), std::span(report.figures).subspan(first));
    }
    return report;
}

void add_bench_ranks(CLI::App& bench, int& exit_status) {
    CLI::App& command =
        add_command(bench, "ranks", "What a job of ranks costs, and the death of one of them",
                    std::string(footer));
    auto options = std::make_shared<RanksOptions>();
    command.add_option("--works", options->works, "What is to be measured")
        ->type_name("LIST")
        ->capture_default_str();
    command
        .add_option("--ranks", options->ranks,
                    "Ranks of the jobs of start and collectives, and of the larger of memory's")
        ->type_name("N")
        ->capture_default_str();
    command
        .add_option("--rounds", options->rounds,
                    "How often a rank is killed, with 2 and with 4 of them")
        ->type_name("N")
        ->capture_default_str();
    options->files.add_json_option(command);
    when_asked(command, asked, std::move(options), exit_status, [](const RanksOptions& typed) {
        Report report = run_ranks_bench(checked(typed), stdout);
        report.verdicts = judge_ranks(report.figures);
        return report;
    });
}

}  // namespace onecopy::cli
