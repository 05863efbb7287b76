// onecopy heap [--stats] [--off] -- PROGRAM ARGUMENTS...
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "cli/commands.hpp"
#include "cli/errors.hpp"
#include "cli/inherited.hpp"
#include "cli/preload.hpp"
#include "cli/terminal.hpp"
#include "cli/tool.hpp"

namespace onecopy::cli {
namespace {

constexpr std::string_view off_report =
    "onecopy: heap: --stats: the heap is switched off, so there is nothing to report; leave out "
    "--off, ONECOPY_HEAP=0 and ONECOPY=0\n";

constexpr const char* usage = "onecopy heap [--stats] [--off] -- ./program";

struct HeapOptions {
    std::vector<std::string> command;
    bool statistics = false;
    bool off = false;
};

bool is_zero(const char* name) {
    const char* const set = std::getenv(name);
    return set != nullptr && std::string_view(set) == "0";
}

/// Becomes the program: nothing of ours stands between it and whoever started us.
[[noreturn]] void become(const std::vector<std::string>& command) {
    const sigset_t changed = ignored_by_us();
    for (int number = 1; number < NSIG; ++number) {
        if (::sigismember(&changed, number) == 1) ::signal(number, SIG_DFL);
    }
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments.front(), arguments.data());
    throw WrongInput(fmt::format("heap: start {}: {}; give a program that can be run",
                                 command.front(), std::strerror(errno)));
}

void run(const HeapOptions& options) {
    if (options.off) {
        ::setenv("ONECOPY_HEAP", "0", 1);
    } else {
        const std::string library =
            preloaded_library("heap", "libonecopy_heap.so", "without sanitizers");
        const std::string preload = preload_of("heap", library, std::getenv("LD_PRELOAD"));
        ::setenv("LD_PRELOAD", preload.c_str(), 1);
    }
    if (options.statistics) {
        ::setenv("ONECOPY_HEAP_STATS", "1", 1);
        if (is_zero("ONECOPY_HEAP") || is_zero("ONECOPY")) tell(off_report);
    }
    become(options.command);
}

}  // namespace

void add_heap_command(CLI::App& app, int& exit_status) {
    CLI::App& command = add_command(
        app, "heap", "Run an unmodified program with its large blocks in memory that peers can map",
        "Starts the program with libonecopy_heap.so preloaded: blocks of 64 KiB and more that it\n"
        "allocates come from an arena, all others from the malloc that it has. The exit status is\n"
        "the program's.\n"
        "\n"
        "Examples:\n"
        "  onecopy heap -- ./program\n"
        "  onecopy heap --stats -- ./program    and tell what came from where\n"
        "  onecopy heap --off -- ./program      the same without onecopy\n");
    auto options = std::make_shared<HeapOptions>();
    command.add_flag("--stats", options->statistics,
                     "Have each process print at its end what came from where, to stderr");
    command.add_flag("--off", options->off, "Switch the heap off, to compare");
    const CLI::Option* program =
        command.add_option("PROGRAM", "The program and, behind it, its arguments; after --")
            ->type_name("");
    command.prefix_command();
    command.callback([options, program, &command, &exit_status] {
        options->command = program_words("heap", usage, *program, command.remaining());
        run(*options);
        exit_status = 0;
    });
}

}  // namespace onecopy::cli
