// Running the real binary, as a user would: arguments in, text and exit status out.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "support/child.hpp"
#include "support/rights.hpp"

namespace onecopy::test {

/// How the tool is started.
struct ToolSetup {
    std::string input;                   ///< its standard input
    bool terminal = false;               ///< stdout and stderr are one terminal (both in `out`)
    std::function<void()> before_exec;   ///< runs in the new process: become somebody else, ...
    std::function<void(pid_t)> started;  ///< runs here once it runs
};

/// A tool in whose process `before` runs first.
ToolSetup after(std::function<void()> before);

/// A tool that an ordinary user runs.
ToolSetup as_user(unsigned id = nobody_in_particular);

/// What became of it.
struct ToolRun {
    int status = -1;  ///< the exit status; -1 when a signal ended it
    int signal = 0;
    std::string out;
    std::string err;
};

/// Runs `onecopy` with these arguments to its end. Killed under the deadlock guard.
/// Throws std::runtime_error if it cannot be started.
ToolRun run_onecopy(const std::vector<std::string>& arguments, const ToolSetup& setup = {});

/// Opens `path` as descriptor `fd`, for before_exec.
void redirect(int fd, const char* path);

/// A process's number, as it is typed.
std::string number(const Child& child);

/// Bytes as what a tool prints.
std::string text_of(std::span<const std::byte> bytes);

/// "0x..." of an address.
std::string hex(std::uint64_t address);

/// A directory of its own, removed with what is in it.
class ScratchDirectory {
public:
    ScratchDirectory();
    ~ScratchDirectory();
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;

    /// The path of a file in it.
    [[nodiscard]] std::string operator/(const std::string& name) const {
        return path_ + "/" + name;
    }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

/// Makes a file of these bytes. Throws std::runtime_error if it cannot.
void make_file(const std::string& path, const std::string& bytes);

/// A whole file as text. Throws std::runtime_error if it cannot be read.
std::string file_text(const std::string& path);

}  // namespace onecopy::test
