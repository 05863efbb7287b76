// How a rank's messages went.
#pragma once

#include <cstdint>

namespace onecopy {

/// Since the rank joined. Bytes are counted where they are copied.
struct NodeCounters {
    std::uint64_t eager_messages = 0;  ///< sent through rings
    std::uint64_t large_messages = 0;  ///< received, or read in place
    std::uint64_t mapped_bytes = 0;    ///< received through mappings of the senders' arenas
    std::uint64_t called_bytes = 0;    ///< received by system calls
    std::uint64_t staged_bytes = 0;    ///< received through slots that both copy at once
    std::uint64_t helped_bytes = 0;    ///< sent by copying along with the receiver
    std::uint64_t sleeps = 0;          ///< waits that went on in the kernel
};

}  // namespace onecopy
