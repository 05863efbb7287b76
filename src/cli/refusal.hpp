// Opening a target, and saying in one line why a transfer with it ended early. Where the kernel
// refuses, the reason is the doctor's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "onecopy/process.hpp"

namespace onecopy::cli {

/// What was to be done; `list` looks at the mappings only.
enum class Direction { read, write, list };

/// A handle on process `pid` whose memory can be reached at this moment. Throws Failure with the
/// doctor's reason if it cannot. `asked` is what the user wanted, the beginning of the line.
Process open_target(std::string_view asked, int pid, Direction direction,
                    ProcessOptions options = {});

/// Why `error` came of a transfer that stopped at `address`: "reason; what to do".
std::string stop_reason(int pid, Direction direction, std::uint64_t address, std::error_code error);

/// The doctor's one line about the process: which guard refuses, and the least that helps.
std::string refusal_reason(int pid, Direction direction);

/// Throws Failure if a transfer with this range could block for ever because of the file system
/// behind it (userfaultfd is not looked for: there the reader can at least be killed).
void refuse_endless_wait(std::string_view asked, int pid, std::uint64_t address,
                         std::uint64_t bytes);

}  // namespace onecopy::cli
