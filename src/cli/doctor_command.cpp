// onecopy doctor [PID] [--json]
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/doctor_gather.hpp"
#include "cli/doctor_report.hpp"
#include "cli/terminal.hpp"
#include "cli/tool.hpp"

namespace onecopy::cli {

void add_doctor_command(CLI::App& app, int& exit_status) {
    CLI::App& command = add_command(
        app, "doctor", "Tell which ways of reaching another process work, and why others do not",
        "Without PID: what works on this machine, tried on a child made for the purpose, and what\n"
        "an unrelated process of the same user would meet. With PID: the rights over that process\n"
        "are asked for (nothing in it changes), and each guard that refuses is named together\n"
        "with the least that opens the way.\n"
        "\n"
        "Exit status: 0 if memory can be read, 1 if not, 2 for wrong input.\n");
    struct Options {
        std::optional<std::string> pid;  // "", of a variable that is not set, is no number
        bool json = false;
    };
    auto options = std::make_shared<Options>();
    command.add_option("PID", options->pid, "The process to reach; left out: any")->type_name("");
    command.add_flag("--json", options->json, "Print the same as JSON (docs/doctor.md)");
    command.callback([options, &exit_status] {
        const int pid = options->pid ? parse_pid("doctor", *options->pid) : 0;
        Facts facts = gather_facts(true);
        if (pid > 0) facts.target = gather_target(facts.caller, pid);
        const Diagnosis diagnosis = diagnose(facts);
        if (options->json) {
            // Names of processes may hold any bytes: replaced where they are no UTF-8.
            fmt::print("{}\n", doctor_json(facts, diagnosis)
                                   .dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
        } else {
            fmt::print("{}", doctor_text(facts, diagnosis, terminal_columns(stdout)));
        }
        exit_status = diagnosis.readable() ? 0 : 1;
    });
}

}  // namespace onecopy::cli
