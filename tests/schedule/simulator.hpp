// Runs the steps of all ranks on symbols instead of bytes.
#pragma once

#include <string>
#include <vector>

#include "schedule/schedule.hpp"

namespace onecopy::schedule::test {

std::vector<Steps> all_steps(const Call& call);

/// What is wrong with the steps, in one line that names rank and step; empty: nothing.
///
///   - phases, grains, bounds, the order of sources, who may write where;
///   - somebody waits for ever;
///   - a byte is read that nobody has written, or not surely before: not by the rank that is waited
///     for, in a phase that it is waited for;
///   - a byte has two writers, or is written though nobody asked for it, or not written;
///   - a result is not the one combined as left_of() says (scan: from left to right) out of the
///     right contributions;
///   - where in_place_safe() says so: somebody reads a rank's contribution where its result may
///     have been written already, if the two are the same memory.
///
/// None of it depends on the order in which the steps are run here, except for the second: there
/// one order finds what any would, as nobody ever needs anybody to wait.
std::string fault_in(const Call& call, const std::vector<Steps>& steps);

/// Of steps_of().
std::string fault_of(const Call& call);

/// A call, readable.
std::string text(const Call& call);

}  // namespace onecopy::schedule::test
