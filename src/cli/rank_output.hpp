// The ranks' standard output and error on their way to the launcher's.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <string>
#include <vector>

#include "os/fd.hpp"

namespace onecopy::cli {

/// Where the bytes of a rank come from and where they go.
struct OutputSource {
    os::Fd pipe;
    int rank = 0;
    int target = 0;  ///< STDOUT_FILENO or STDERR_FILENO
};

/// A pipe per rank and stream, and a process that passes them on: it alone waits where nobody reads
/// the launcher's output, so that signals and ends are noticed all the time.
///
/// Where the launcher's standard output and error are the same file, a rank has one pipe for both,
/// and what it writes keeps its order. A stream that the launcher cannot write to is left to the
/// ranks as it is.
class RankOutput {
public:
    /// Looks at the launcher's standard descriptors. `limit`: of descriptors, which this may come
    /// near to but not use up.
    RankOutput(int ranks, bool label, const rlimit& limit);

    /// What a rank is to have as its standard output and error; an empty one: the launcher's.
    struct Ends {
        os::Fd output;
        os::Fd error;
        bool one = false;  ///< error is the same as output
    };

    /// Makes the pipes of the next rank. Where there are no more descriptors it and all that follow
    /// write straight to the launcher's.
    [[nodiscard]] Ends open_next();

    /// The first rank that does so, -1 if none; and why.
    [[nodiscard]] int first_direct() const noexcept { return first_direct_; }
    [[nodiscard]] int direct_error() const noexcept { return direct_error_; }

    /// Forks the process that passes on and lets go of the pipes here. It ends when all of them
    /// have ended. When it cannot go on it writes Trouble to the pipe `troubles` and waits to be
    /// killed: the ranks' pipes stay open until then, so that nobody takes a rank that writes to a
    /// broken one for the cause. Returns its number, 0 if there is nothing to pass on, -1 with
    /// errno.
    [[nodiscard]] pid_t start(int troubles);

private:
    os::Fd open_one(int target);

    int ranks_;
    bool label_;
    int next_ = 0;
    int highest_;
    bool output_open_;
    bool error_open_;
    bool asks_;  // rank 0 reads a terminal
    bool same_;
    int first_direct_ = -1;
    int direct_error_ = 0;
    std::vector<OutputSource> sources_;
};

}  // namespace onecopy::cli
