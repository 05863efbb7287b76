// The guards between a caller and a target's memory, each with its reason and its remedy: a model
// of the kernel's checks. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/doctor_diagnose.hpp"

namespace onecopy::cli {

/// The refusals that no right would lift: there is no memory to reach, or nobody by that number.
std::vector<Reason> no_memory(const CallerFacts& caller, const TargetFacts& target);

/// What may refuse although nothing that can be seen does: one suspect.
std::vector<Reason> hidden_guards(const KernelFacts& kernel, const CallerFacts& caller,
                                  const TargetFacts& target);

/// Why a system call fails even where nobody else is concerned. `missing` says what brings it.
std::vector<Reason> call_guards(std::string_view call, std::string_view missing,
                                const CallerFacts& caller, const Attempt& tried);

/// The command that gives these capabilities to the caller's program.
std::string setcap(const CallerFacts& caller, std::string_view capabilities);

}  // namespace onecopy::cli
