// Lines on standard error from inside malloc.
#pragma once

namespace onecopy::heap {

/// Formats and writes one short text to standard error, at once and unbuffered. Allocates nothing,
/// keeps errno. That nobody can read it there must not change what the program does: errors are
/// ignored, and no SIGPIPE comes of it.
void say(const char* format, ...) noexcept __attribute__((format(printf, 1, 2)));

/// What standard error was when the program started, so that at its end nothing is written to
/// another file that has its number by then.
void remember_standard_error() noexcept;

/// Whether it still is that.
bool standard_error_is_the_same() noexcept;

}  // namespace onecopy::heap
