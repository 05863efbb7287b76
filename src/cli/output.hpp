// Where a command's bytes go: standard output, or a file that only its owner may read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "os/fd.hpp"

namespace onecopy::cli {

/// How a line goes on where `where` (a file, standard output) could not be written: what refused
/// it, and what to do. `written` bytes have arrived. `error` is write's errno.
std::string write_refusal(std::string_view where, std::uint64_t written, int error);

/// Failure where nobody can have opened standard output to be written to: said before something is
/// done that takes long.
void refuse_closed_output(std::string_view asked);

/// Not thread-safe. The file is created at the first write: a refused transfer leaves an older
/// file of that name as it was.
class Output {
public:
    /// `path` empty: standard output. `asked` begins the line of a failure.
    Output(std::string_view asked, std::string path) : asked_(asked), path_(std::move(path)) {}

    [[nodiscard]] bool is_terminal() const;

    /// All of it, or Failure (disk full, ...).
    void write(std::span<const std::byte> bytes);
    void write(std::string_view text);

private:
    std::string asked_;
    std::string path_;
    os::Fd file_;
    std::uint64_t written_ = 0;
};

}  // namespace onecopy::cli
