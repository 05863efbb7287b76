// The policy that stands in front of every MPI function that can be taken over.
#pragma once

#include <cstdint>
#include <variant>

#include "mpi/job.hpp"
#include "mpi/tally.hpp"

namespace onecopy::mpi {

/// What a take_... function answers.
struct Decision {
    bool taken = false;
    int code = 0;  ///< if taken: what the call returns
    Reason reason = Reason::not_agreed;
};
inline Decision taken(int code) noexcept { return {true, code, {}}; }
inline Decision pass(Reason reason) noexcept { return {false, 0, reason}; }

/// Takes the call over, or hands it to the MPI untouched, and counts which. `bytes` is the payload,
/// as far as it can be told from the arguments.
///
/// Calls from deeper down, out of a call that the MPI is busy with, are treated like any other.
/// They are the program's (an error handler, an attribute's callback in MPI_Finalize), and in
/// another rank the same reduction may be an ordinary call: who is inside of what is no rank's to
/// decide by. Open MPI itself calls none of the taken functions from inside another; its ROMIO
/// calls PMPI_Allreduce in file functions, in all ranks of the file's communicator, which may be
/// taken like any other.
template <class Function, class Take, class... Arguments>
int route(Call call, Function* function, const Take& take, Arguments... arguments) noexcept {
    Tally& tally = job().tally;
    std::uint64_t bytes = 0;
    const Decision decision = take(bytes, arguments...);
    if (decision.taken) {
        tally.taken(call, bytes);
        return decision.code;
    }
    tally.passed(call, decision.reason, bytes);
    return function(arguments...);
}

}  // namespace onecopy::mpi
