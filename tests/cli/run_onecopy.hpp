// Running the real binary, as a user would: arguments in, text and exit status out.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace onecopy::test {

/// How the tool is started.
struct ToolSetup {
    std::string input;                   ///< its standard input
    bool terminal = false;               ///< stdout and stderr are one terminal (both in `out`)
    std::function<void()> before_exec;   ///< runs in the new process: become somebody else, ...
    std::function<void(pid_t)> started;  ///< runs here once it runs
};

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

/// A whole file as text. Throws std::runtime_error if it cannot be read.
std::string file_text(const std::string& path);

}  // namespace onecopy::test
