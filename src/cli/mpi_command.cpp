// onecopy mpi [--report] [--off] -- PROGRAM ARGUMENTS...
#include <cstdlib>
#include <memory>
#include <optional>

#include "cli/commands.hpp"
#include "cli/mpi_launch.hpp"
#include "cli/mpi_report.hpp"
#include "cli/preload.hpp"
#include "cli/terminal.hpp"
#include "cli/tool.hpp"

namespace onecopy::cli {
namespace {

struct MpiOptions {
    std::vector<std::string> command;
    bool report = false;
    bool off = false;
};

constexpr const char* usage = "onecopy mpi [--report] [--off] -- mpirun -n 4 ./program";

constexpr std::string_view off_report =
    "onecopy: mpi: --report: onecopy is switched off, so there is nothing to report; leave out "
    "--off and ONECOPY=0\n";

bool switched_off(const MpiOptions& options) {
    const char* set = std::getenv("ONECOPY");
    return options.off || (set != nullptr && std::string_view(set) == "0");
}

int run(const MpiOptions& options) {
    std::optional<ReportDirectory> directory;
    const bool off = switched_off(options);
    if (options.report && !off) directory.emplace();
    const int status =
        launch({options.command, options.off, directory ? directory->path() : std::string()});
    // To stderr: standard output is the program's.
    if (directory) tell(report_text(read_reports(directory->path())));
    if (options.report && off) tell(off_report);
    return status;
}

}  // namespace

void add_mpi_command(CLI::App& app, int& exit_status) {
    CLI::App& command = add_command(
        app, "mpi", "Run an unmodified MPI program with its large reductions on one copy",
        "Starts the program with libonecopy_mpi.so preloaded, which takes MPI_Allreduce and\n"
        "MPI_Reduce of large arrays over between ranks of one machine; all else goes to the MPI\n"
        "untouched. The exit status is the program's.\n"
        "\n"
        "Examples:\n"
        "  onecopy mpi -- mpirun -n 4 ./program\n"
        "  onecopy mpi --report -- mpirun -n 4 ./program    and tell what went which way\n"
        "  onecopy mpi --off -- mpirun -n 4 ./program       the same without onecopy\n");
    auto options = std::make_shared<MpiOptions>();
    command.add_flag("--report", options->report,
                     "Print at the end what went which way, to stderr");
    command.add_flag("--off", options->off, "Switch onecopy off, to compare");
    const CLI::Option* program =
        command.add_option("PROGRAM", "The program and, behind it, its arguments; after --")
            ->type_name("");
    command.prefix_command();
    command.callback([options, program, &command, &exit_status] {
        options->command = program_words("mpi", usage, *program, command.remaining());
        exit_status = run(*options);
    });
}

}  // namespace onecopy::cli
