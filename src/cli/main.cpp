// The tool `onecopy`: the list of its commands.
#include "cli/commands.hpp"
#include "cli/inherited.hpp"
#include "cli/tool.hpp"

int main(int argc, char** argv) {
    using namespace onecopy::cli;
    settle_what_was_inherited();
    CLI::App app;
    int exit_status = 0;
    describe_tool(app);
    add_doctor_command(app, exit_status);
    add_maps_command(app, exit_status);
    add_read_command(app, exit_status);
    add_write_command(app, exit_status);
    add_dump_command(app, exit_status);
    add_bench_command(app, exit_status);
    add_heap_command(app, exit_status);
    add_run_command(app, exit_status);
    add_mpi_command(app, exit_status);
    add_tune_command(app, exit_status);
    add_plan_command(app, exit_status);
    return run_tool(app, argc, argv, exit_status);
}
