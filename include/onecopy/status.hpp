// What a received message was.
#pragma once

#include <cstdint>
#include <system_error>

namespace onecopy {

/// Takes a message from whichever rank, and of whichever tag.
inline constexpr int any_source = -1;
inline constexpr int any_tag = -1;

/// Of a receive that is over, or of a message that was found. For a send only `error` says
/// anything.
struct Status {
    int source = any_source;  ///< the sender's rank
    int tag = any_tag;
    /// Bytes received; of a message that was found, or is truncated: how long it is.
    std::uint64_t bytes = 0;
    std::error_code error;
};

}  // namespace onecopy
