// onecopy run -n N [--bind core|none] [--label] -- PROGRAM ARGUMENTS...
#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <string_view>
#include <system_error>

#include "cli/commands.hpp"
#include "cli/errors.hpp"
#include "cli/launch_ranks.hpp"
#include "cli/preload.hpp"
#include "cli/terminal.hpp"
#include "cli/tool.hpp"

namespace onecopy::cli {
namespace {

constexpr int most_ranks = 4096;

struct RunOptions {
    std::vector<std::string> command;
    std::string ranks;
    std::string bind;
    bool label = false;
};

constexpr const char* usage = "onecopy run -n N -- ./program";

int ranks_of(const std::string& text) {
    int ranks = 0;
    const char* const end = text.data() + text.size();
    const auto [after, error] = std::from_chars(text.data(), end, ranks);
    if (error == std::errc::invalid_argument || after != end) {
        throw WrongInput(fmt::format("run: -n \"{}\": not a number; give that of the ranks", text));
    }
    if (error != std::errc{} || ranks < 1 || ranks > most_ranks) {
        throw WrongInput(fmt::format("run: -n {}: a job has 1 to {} ranks; give such a number",
                                     text, most_ranks));
    }
    return ranks;
}

/// A core for each rank; none where they run wherever the kernel puts them.
std::vector<node::CpuSet> cores_for(int ranks, const std::string& bind) {
    if (bind == "none") return {};
    if (!bind.empty() && bind != "core") {
        throw WrongInput(fmt::format("run: --bind \"{}\": write core or none", bind));
    }
    const bool asked = !bind.empty();
    std::vector<node::CpuSet> cores;
    try {
        cores = node::usable_cores();
    } catch (const std::system_error& error) {
        if (asked)
            throw Failure(fmt::format("run: --bind core: {}; use --bind none", error.what()));
    }
    if (asked && cores.empty()) {
        throw Failure(
            "run: --bind core: hwloc describes another machine; unset HWLOC_XMLFILE and "
            "HWLOC_SYNTHETIC, or use --bind none");
    }
    if (cores.size() >= static_cast<std::size_t>(ranks)) return cores;
    if (!asked) return {};
    tell(fmt::format("onecopy: run: --bind core: {} ranks on {} core{}: some share one\n", ranks,
                     cores.size(), cores.size() == 1 ? "" : "s"));
    return cores;
}

int run(const RunOptions& options) {
    Launch launch{options.command, ranks_of(options.ranks), options.label, {}};
    launch.cores = cores_for(launch.ranks, options.bind);
    return launch_ranks(launch);
}

}  // namespace

void add_run_command(CLI::App& app, int& exit_status) {
    CLI::App& command = add_command(
        app, "run", "Run a program as the ranks of a job on this machine",
        "Starts the program N times, as ranks 0 to N-1 of a job whose memory they share. Rank 0 "
        "has\n"
        "the standard input; output comes line by line. Signals go to all ranks. When a rank "
        "fails\n"
        "the others are ended, one line says which it was, and the exit status is its own. "
        "Nothing\n"
        "that a rank has started outlives the job.\n"
        "\n"
        "Examples:\n"
        "  onecopy run -n 4 -- ./program\n"
        "  onecopy run -n 4 --label -- ./program    and tell which rank wrote a line\n");
    auto options = std::make_shared<RunOptions>();
    command.add_option("-n", options->ranks, "How many ranks, 1 to 4096")
        ->required()
        ->type_name("N");
    command
        .add_option(
            "--bind", options->bind,
            "core: each rank on a core of its own, the default where there are enough; none")
        ->type_name("core|none");
    command.add_flag("--label", options->label, "Begin each line of output with its rank");
    const CLI::Option* program =
        command.add_option("PROGRAM", "The program and, behind it, its arguments; after --")
            ->type_name("");
    command.prefix_command();
    command.callback([options, program, &command, &exit_status] {
        options->command = program_words("run", usage, *program, command.remaining());
        exit_status = run(*options);
    });
}

}  // namespace onecopy::cli
