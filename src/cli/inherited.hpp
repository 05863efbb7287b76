// What a program inherits from the one that starts it, put in order before it does anything: closed
// standard descriptors, and signals whose handling would stand in the tool's way.
#pragma once

#include <signal.h>

namespace onecopy::cli {

/// Call first in main(), once, before there are threads.
///
/// Descriptors 0 to 2 that are closed are occupied, or the next file or pidfd that is opened would
/// become standard input or output. What takes the place refuses reads and writes with EBADF, as
/// the closed descriptor did: what was to go there is an error still. Programs that are started
/// find it closed again.
///
/// A file that grows too long gives EFBIG and no SIGXFSZ. SIGCHLD is not ignored: wait() would tell
/// nothing of how a child ended.
/// Source: open(2), "O_PATH"; setrlimit(2), "RLIMIT_FSIZE"; wait(2), "Notes".
void settle_what_was_inherited() noexcept;

/// The signals that settle_what_was_inherited() has the tool ignore though they were not: a program
/// that is started must find them at their defaults.
[[nodiscard]] sigset_t ignored_by_us() noexcept;

}  // namespace onecopy::cli
