// The commands of the tool. Each adds itself to the application; its callback runs inside
// CLI::App::parse, sets `exit_status` (0 done, 1 refused or not completed) and throws WrongInput or
// Failure (cli/errors.hpp) where one line to the user says it all.
//
// `app` and `exit_status` must outlive the parse. To add a command: a file of its own, a line here,
// a line in main.cpp, a man page in docs/man.
#pragma once

#include <CLI/CLI.hpp>

namespace onecopy::cli {

void add_doctor_command(CLI::App& app, int& exit_status);
void add_read_command(CLI::App& app, int& exit_status);
void add_write_command(CLI::App& app, int& exit_status);
void add_maps_command(CLI::App& app, int& exit_status);
void add_dump_command(CLI::App& app, int& exit_status);
void add_heap_command(CLI::App& app, int& exit_status);
void add_mpi_command(CLI::App& app, int& exit_status);
void add_run_command(CLI::App& app, int& exit_status);
void add_tune_command(CLI::App& app, int& exit_status);
void add_plan_command(CLI::App& app, int& exit_status);
void add_bench_command(CLI::App& app, int& exit_status);

}  // namespace onecopy::cli
