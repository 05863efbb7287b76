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

/// How many of our functions this thread is in. Calls that come from deeper down are the MPI's own.
inline thread_local int depth = 0;

class Inside {
public:
    Inside() noexcept { ++depth; }
    ~Inside() { --depth; }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
};

/// Takes the call over, or hands it to the MPI untouched, and counts which. `bytes` is the payload,
/// as far as it can be told from the arguments.
template <class Function, class Take, class... Arguments>
int route(Call call, Function* function, const Take& take, Arguments... arguments) noexcept {
    Tally& tally = job().tally;
    if (depth > 0) {
        tally.passed(call, Reason::inner, 0);
        return function(arguments...);
    }
    const Inside inside;
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
