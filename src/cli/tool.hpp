// The frame around all commands: parsing the command line, and turning every way of giving up into
// one line on stderr and an exit status.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace onecopy::cli {

/// Gives `app` the tool's name, help and --version. Commands are added to it afterwards.
void describe_tool(CLI::App& app);

/// A command of the tool, listed by its `summary` (no full stop). `help` is added to its own page:
/// what it does beyond the summary, and examples.
CLI::App& add_command(CLI::App& app, const std::string& name, const std::string& summary,
                      const std::string& help);

/// Refuses the empty name, which an unset variable of a script leaves, for options that name a
/// file.
CLI::Validator names_a_file();

/// Parses and runs. Returns the process's exit status: 0; 1 where a command failed; 2 for wrong
/// input. Prints at most one line of error, to stderr.
int run_tool(CLI::App& app, int argc, const char* const* argv, const int& exit_status);

}  // namespace onecopy::cli
