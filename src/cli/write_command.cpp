// onecopy write PID ADDRESS < FILE
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/errors.hpp"
#include "cli/refusal.hpp"
#include "cli/terminal.hpp"
#include "cli/tool.hpp"
#include "onecopy/transfer.hpp"

namespace onecopy::cli {
namespace {

constexpr std::size_t chunk_bytes = 1 << 20;

struct WriteOptions {
    std::string pid, address;
    bool all = false;
};

/// Fills `chunk` from standard input as far as it goes; less only at its end.
std::size_t read_input(const std::string& asked, std::span<std::byte> chunk) {
    std::size_t have = 0;
    while (have < chunk.size()) {
        const ssize_t got = ::read(STDIN_FILENO, chunk.data() + have, chunk.size() - have);
        if (got == 0) break;
        if (got > 0) {
            have += static_cast<std::size_t>(got);
        } else if (errno != EINTR) {
            throw Failure(fmt::format("{}: standard input cannot be read: {}; give a file: < FILE",
                                      asked, std::strerror(errno)));
        }
    }
    return have;
}

/// "N of M bytes" as far as M can be known: a file tells, a pipe does not.
std::string progress_text(std::uint64_t written, std::uint64_t taken) {
    struct stat input {};
    if (::fstat(STDIN_FILENO, &input) == 0 && S_ISREG(input.st_mode)) {
        const off_t at = ::lseek(STDIN_FILENO, 0, SEEK_CUR);
        const auto rest = at >= 0 && at < input.st_size ? input.st_size - at : 0;
        return fmt::format("{} of {} bytes", written, taken + static_cast<std::uint64_t>(rest));
    }
    return fmt::format("{} bytes, of at least {} given,", written, taken);
}

void run(const WriteOptions& options) {
    const int pid = parse_pid("write", options.pid);
    const std::uint64_t address = parse_address("write", options.address);
    const std::string asked = fmt::format("write to process {} at {:#x}", pid, address);

    const Process process = open_target(asked, pid, Direction::write);
    if (is_terminal(stdin)) {
        tell("Type the bytes to write; Ctrl-D at the beginning of a line ends.\n");
    }
    std::vector<std::byte> chunk(chunk_bytes);
    std::uint64_t done = 0;
    for (;;) {
        const std::size_t have = read_input(asked, chunk);
        if (have == 0) return;
        check_range("write", address + done, have);
        if (!options.all) refuse_endless_wait(asked, pid, address + done, have);
        const Transfer moved =
            write(process, std::span<const std::byte>(chunk.data(), have), address + done);
        if (moved.error) {
            const std::uint64_t written = done + moved.bytes;
            throw Failure(fmt::format(
                "{}: {}{}", asked,
                written > 0 ? progress_text(written, done + have) + " were written; " : "",
                stop_reason(pid, Direction::write, address + written, moved.error)));
        }
        done += moved.bytes;
    }
}

}  // namespace

void add_write_command(CLI::App& app, int& exit_status) {
    CLI::App& command =
        add_command(app, "write", "Write standard input into the memory of a process",
                    "Reads standard input to its end. Pages that the process itself may not write "
                    "are refused.\n"
                    "A write that stops half-way says on stderr how much arrived and what stopped "
                    "it, and ends\n"
                    "with status 1; what arrived stays.\n"
                    "\n"
                    "Examples:\n"
                    "  onecopy write 4711 0x55d0c2a01000 < patch.bin\n"
                    "  printf 'hello\\0' | onecopy write 4711 0x55d0c2a01000\n");
    auto options = std::make_shared<WriteOptions>();
    command.add_option("PID", options->pid, "The process")->required()->type_name("");
    command.add_option("ADDRESS", options->address, "Where in it: 0x... or decimal")
        ->required()
        ->type_name("");
    command.add_flag("--all", options->all,
                     "Also into files on FUSE and network file systems, which can block for ever");
    command.callback([options, &exit_status] {
        run(*options);
        exit_status = 0;
    });
}

}  // namespace onecopy::cli
