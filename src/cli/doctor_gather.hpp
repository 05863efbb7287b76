// Gathering the facts that the doctor judges: from /proc, by trying on this process itself, on a
// child made for the purpose, and on the target.
#pragma once

#include "cli/doctor_facts.hpp"

namespace onecopy::cli {

/// What can be known of kernel and caller without a target. `with_child` also tries the features of
/// the kernel, and every way on a child of this process with bytes really moved (all children are
/// reaped before the return); for the reason of a refusal that is not needed.
Facts gather_facts(bool with_child);

/// The same about `pid`. Nothing in the target changes: rights are asked for, no byte is moved.
TargetFacts gather_target(const CallerFacts& caller, int pid);

/// Tries on this process what needs no other one: a call that fails here is missing or filtered.
/// Each runs in a child of its own, since some filters kill. In doctor_trial.cpp.
Attempts try_on_itself();

/// Tries every way on a child of this process, bar those that fail already on itself. In
/// doctor_trial.cpp.
Attempts try_on_own_child(const Attempts& on_itself);

/// Tries the features of the kernel. In doctor_trial.cpp.
std::array<Attempt, feature_count> try_features();

/// "6.18.44-fc" is 6 and 18.
void parse_release(KernelFacts& kernel);

}  // namespace onecopy::cli
