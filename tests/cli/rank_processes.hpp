// What the tests of `onecopy run` share: scripts as ranks, and looking after their processes.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "run_onecopy.hpp"

namespace onecopy::test {

/// Runs a shell script as so many ranks.
ToolRun run_shell(int ranks, const std::string& script, const ToolSetup& setup = {});

/// A tool that is looked after by `started` once it runs.
ToolSetup when_started(std::function<void(pid_t)> started);

std::vector<std::string> as_lines(const std::string& text);

/// The number that a script has written there, waited for. Throws std::runtime_error if
/// none came.
pid_t pid_in(const std::string& path);

/// Whether the process has ended: it is not there, or waits to be reaped.
bool gone(pid_t pid);

/// Whether the process is stopped by a signal.
bool stopped(pid_t pid);

/// The numbers of a process's children.
std::vector<std::string> children_of(pid_t pid);

/// How many processes of this user there are.
int processes_of(unsigned user);

}  // namespace onecopy::test
