// A program that a bench talks to: it answers a line with a line.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "os/fd.hpp"

namespace onecopy::cli {

/// A file of this build or installation that belongs to the tool; empty if there is none.
std::string find_beside_tool(std::string_view name);

/// Runs as long as this lives; then its standard input ends, and it is waited for. Its standard
/// error is ours. For one thread.
class BenchProgram {
public:
    /// Starts `command` (a path and its arguments). `preload`: a library to be put in front of what
    /// is preloaded already; empty: nothing. Throws Failure, its line opened by `asked`.
    BenchProgram(std::string asked, const std::vector<std::string>& command,
                 const std::string& preload);
    BenchProgram(const BenchProgram&) = delete;
    BenchProgram& operator=(const BenchProgram&) = delete;
    ~BenchProgram();

    /// Sends `line` and returns the next line of its standard output. Throws Failure if the program
    /// ended instead.
    std::string ask(std::string_view line);

private:
    [[noreturn]] void fail(std::string_view what) const;

    std::string asked_;
    std::string name_;
    pid_t pid_ = -1;
    os::Fd to_;
    os::Fd from_;
    std::string unread_;
};

}  // namespace onecopy::cli
