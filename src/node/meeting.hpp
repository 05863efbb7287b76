// How ranks that nobody started together become a job: by a key that all of them know.
//
// Rank 0 makes the job's memory and listens under a name that is derived from the key; the others
// come, and before any of them sends a byte that matters both prove that they know the key, by an
// HMAC over numbers that both have drawn. The name tells nobody the key, and who squats it without
// the key learns nothing and gives nothing.
#pragma once

#include <chrono>
#include <string_view>

#include "node/job_memory.hpp"

namespace onecopy::node {

struct Meeting {
    std::string_view key;
    /// Where the listener's file is to be: a directory that is closed to others (0700), for ranks
    /// that do not share a network namespace. Empty: a name that no file system knows.
    std::string_view directory;
    int rank = 0;
    int ranks = 1;
    std::chrono::milliseconds timeout{60'000};
};

/// Returns to rank 0 when all ranks have come, to the others when rank 0 has let them in. Throws
/// std::system_error: ETIMEDOUT, not all came, or rank 0 did not; EADDRINUSE, a job with this key
/// is meeting, or somebody sits on the name; EEXIST, another process is that rank; EINVAL, no such
/// rank, or rank 0 was told another number of ranks; EPERM, the directory is open to others; and as
/// JobMemory.
JobMemory meet(const Meeting& meeting);

}  // namespace onecopy::node
