// What is known about the terminal behind a stream, what may safely be sent to it, and what is said
// beside the result.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace onecopy::cli {

/// Whether the stream is a terminal.
bool is_terminal(std::FILE* stream);

/// The width to wrap text at: the terminal's, within reason, or 100 where there is none.
std::size_t terminal_columns(std::FILE* stream);

/// The text with control characters written as \xNN: names of files and processes are anybody's
/// bytes, and a terminal obeys some of them.
std::string printable(std::string_view text);

/// Writes `text` to stderr as it is. That nobody can read it there must not change what the tool
/// does: an error of writing is ignored.
void tell(std::string_view text) noexcept;

}  // namespace onecopy::cli
