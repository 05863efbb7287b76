// What every rank of a job is given by its launcher: the job's memory, and who it is.
//
//     ONECOPY_JOB=fd:200    the descriptor of the memory, inherited, the same number in every rank
//     ONECOPY_RANK=3        from 0 on
//     ONECOPY_SIZE=8        how many ranks there are
#pragma once

#include <string>
#include <vector>

#include "os/fd.hpp"

namespace onecopy::cli {

/// The memory of a new job, close-on-exec like all of the launcher's descriptors.
/// Throws std::system_error.
os::Fd make_job(int ranks);

/// Where the launcher is itself a rank of another job: that job's memory is not for these ranks.
/// Keeps its descriptor out of the programs that are started from now on.
void leave_outer_job() noexcept;

/// The environment of the ranks: the launcher's, with what they are given.
class RankEnvironment {
public:
    /// `job`: the descriptor's number.
    RankEnvironment(int ranks, int job);

    /// For exec, until the next call. The strings are this object's and the launcher's own.
    [[nodiscard]] char* const* of(int rank);

private:
    std::vector<std::string> given_;
    std::vector<char*> words_;
};

}  // namespace onecopy::cli
