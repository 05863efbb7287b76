// onecopy dump PID -o FILE [--all]
#include <fmt/format.h>

#include <memory>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/dump.hpp"
#include "cli/interrupt.hpp"
#include "cli/refusal.hpp"
#include "cli/tool.hpp"

namespace onecopy::cli {
namespace {

struct DumpOptions {
    std::string pid, file;
    bool all = false;
};

/// Names what can block and was therefore left out; the rest nobody expects in a dump.
void print_left_out(const DumpPlan& plan) {
    for (const LeftOut& one : plan.left_out) {
        if (!one.judgement.can_block()) continue;
        fmt::print("left out: {:x}-{:x} {}, {}: {}, can block for ever (--all reads it)\n",
                   one.region.begin, one.region.end, bytes_text(one.region.bytes()),
                   name_text(one.region), one.judgement.why);
    }
    if (plan.unknown_bytes > 0) {
        fmt::print(
            "left out: {} of shared memory that the process has not touched, since reading would\n"
            "          allocate it and this user may not look whether others filled it (--all "
            "reads it)\n",
            bytes_text(plan.unknown_bytes));
    }
}

void print_summary(const std::string& file, const DumpPlan& plan, const DumpResult& result) {
    std::uint64_t left_out = plan.unknown_bytes;
    for (const LeftOut& one : plan.left_out) left_out += one.region.bytes();
    fmt::print(
        "{}: {} bytes read ({} are not zero), {} bytes never touched, {} bytes could not be "
        "read, {} bytes left out\n",
        file, result.read_bytes, result.stored_bytes, plan.untouched_bytes, result.unreadable_bytes,
        left_out);
}

void run(const DumpOptions& options) {
    const int pid = parse_pid("dump", options.pid);
    const std::string asked = fmt::format("dump process {} to {}", pid, options.file);
    ProcessOptions watch;
    watch.watch_image = true;  // half of one program and half of another would be worth nothing
    const Process process = open_target(asked, pid, Direction::read, watch);
    const InterruptGuard guard;
    DumpPlan plan = plan_dump(asked, pid, options.all);
    const DumpResult result = write_dump(asked, process, options.file, plan);
    print_left_out(plan);
    print_summary(options.file, plan, result);
}

}  // namespace

void add_dump_command(CLI::App& app, int& exit_status) {
    CLI::App& command = add_command(
        app, "dump", "Write all readable memory of a process to a core file",
        "FILE becomes an ELF core file that gdb, lldb, readelf and objdump open (without "
        "registers:\n"
        "reading those would stop the process). It is sparse: pages of zeros and pages that the\n"
        "process never touched take no room, and are not made in the process by looking at them.\n"
        "FILE appears when it is complete; until then it is called FILE.partial.\n"
        "\n"
        "The process runs on meanwhile, so parts of the dump are of different moments; for one\n"
        "moment: kill -STOP PID, dump, kill -CONT PID.\n"
        "\n"
        "Left out are memory of files on FUSE and network file systems and memory under\n"
        "userfaultfd, where a reader can wait for ever. The last line counts the bytes read, "
        "those\n"
        "that could not be read and those left out.\n"
        "\n"
        "Example:\n"
        "  onecopy dump 4711 -o core.4711 && gdb -c core.4711 /usr/bin/program\n");
    auto options = std::make_shared<DumpOptions>();
    command.add_option("PID", options->pid, "The process")->required()->type_name("");
    command.add_option("-o,--output", options->file, "The core file to write (mode 0600)")
        ->required()
        ->check(names_a_file())
        ->type_name("FILE");
    command.add_flag("--all", options->all,
                     "Include what can block for ever, and what reading allocates");
    command.callback([options, &exit_status] {
        run(*options);
        exit_status = 0;
    });
}

}  // namespace onecopy::cli
