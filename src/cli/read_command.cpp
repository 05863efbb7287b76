// onecopy read PID ADDRESS LENGTH [-o FILE] [--hex|--raw] [--all]
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/errors.hpp"
#include "cli/hex_view.hpp"
#include "cli/output.hpp"
#include "cli/refusal.hpp"
#include "cli/tool.hpp"
#include "onecopy/transfer.hpp"

namespace onecopy::cli {
namespace {

constexpr std::uint64_t chunk_bytes = 1 << 20;

struct ReadOptions {
    std::string pid, address, length, file;
    bool hex = false;
    bool raw = false;
    bool all = false;
};

void run(const ReadOptions& options) {
    const int pid = parse_pid("read", options.pid);
    const std::uint64_t address = parse_address("read", options.address);
    const std::uint64_t length = parse_length("read", options.length);
    check_range("read", address, length);
    const std::string asked =
        fmt::format("read {} of process {} at {:#x}", bytes_text(length), pid, address);

    const Process process = open_target(asked, pid, Direction::read);
    if (!options.all) refuse_endless_wait(asked, pid, address, length);
    Output output(asked, options.file);
    std::optional<HexView> view;
    if (options.hex || (!options.raw && output.is_terminal())) view.emplace(address);

    std::vector<std::byte> chunk(std::min(length, chunk_bytes));
    std::uint64_t done = 0;
    std::error_code error;
    while (done < length && !error) {
        const std::span piece(chunk.data(), std::min<std::uint64_t>(length - done, chunk.size()));
        const Transfer moved = read(process, address + done, piece);
        const std::span got = piece.first(moved.bytes);
        if (view) {
            output.write(view->add(got));
        } else if (!got.empty()) {
            output.write(got);
        }
        done += moved.bytes;
        error = moved.error;
    }
    if (view) output.write(view->finish());
    if (!error) {
        if (length == 0) output.write(std::string_view());  // an empty file was asked for
        return;
    }
    throw Failure(fmt::format("{}: {}{}", asked,
                              done > 0 ? fmt::format("{} of {} bytes came; ", done, length) : "",
                              stop_reason(pid, Direction::read, address + done, error)));
}

}  // namespace

void add_read_command(CLI::App& app, int& exit_status) {
    CLI::App& command = add_command(
        app, "read", "Read memory of a process, as hex and text or raw",
        "A read that meets an unmapped page prints what came before it, says on stderr\n"
        "how much that was and what stopped it, and ends with status 1.\n"
        "\n"
        "Examples:\n"
        "  onecopy read 4711 0x55d0c2a01000 256\n"
        "  onecopy read 4711 0x55d0c2a01000 16M -o heap.bin\n"
        "  onecopy read 4711 0x55d0c2a01000 4K --raw | strings\n");
    auto options = std::make_shared<ReadOptions>();
    command.add_option("PID", options->pid, "The process")->required()->type_name("");
    command.add_option("ADDRESS", options->address, "Where in it: 0x... or decimal")
        ->required()
        ->type_name("");
    command.add_option("LENGTH", options->length, "Bytes; K, M, G, T for powers of 1024")
        ->required()
        ->type_name("");
    command.add_option("-o,--output", options->file, "Write the bytes to FILE (mode 0600)")
        ->check(names_a_file())
        ->type_name("FILE");
    CLI::Option* hex =
        command.add_flag("--hex", options->hex, "Hex and text, the default on a terminal");
    command.add_flag("--raw", options->raw, "The bytes themselves, the default elsewhere")
        ->excludes(hex);
    command.add_flag("--all", options->all,
                     "Also from files on FUSE and network file systems, which can block for ever");
    command.callback([options, &exit_status] {
        run(*options);
        exit_status = 0;
    });
}

}  // namespace onecopy::cli
