// The tables of ways.hpp and schedules.hpp as text: what `onecopy tune` has left for this machine,
// and what the user asks for.
//
// For one distance a table is written as settings between commas:
//
//   unmapped=call|both-call|staged   for all sizes; or one for each class of sizes, six between '/'
//   shared-from=SIZE                 1 to 1024G
//   slot=SIZE                        4K to 32K
//   slots=N                          2 to 16
//
// ONECOPY_WAYS holds such settings, which then are those of all distances. The file has a line for
// each distance that was measured, "same-l3 unmapped=staged,slot=16K", and for each number of ranks
// with which schedules were, "two-ranks allreduce-mapped=push:1M,...", between a first line that
// names its form and the machine, and a last one without which it is taken for half-written.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "node/schedules.hpp"
#include "node/ways.hpp"

namespace onecopy::node {

/// "same-core", ..., "farther": by os::Distance.
inline constexpr std::array<std::string_view, os::distances> distance_names{
    "same-core", "same-l2", "same-l3", "same-node", "farther"};
/// "call", ...: by Unmapped.
inline constexpr std::array<std::string_view, 3> unmapped_names{"call", "both-call", "staged"};

/// Changes what the settings name. False if one of them is wrong, which `wrong` then is; `ways` may
/// be changed in part.
bool apply_settings(std::string_view settings, Ways& ways, std::string_view& wrong);

/// All settings of a table.
std::string settings_text(const Ways& ways);

/// What was measured.
struct MeasuredWays {
    WayTable table{};
    std::array<bool, os::distances> measured{};  ///< the others are built in
    Schedules schedules = built_in_schedules();
    std::array<bool, company_names.size()> schedules_measured{};
};

/// The file's text, and back. What is wrong with it is said in `why`, which is empty if all is
/// well: then, and only then, `ways` is what it says. `machine`: as machine_facts().
std::string file_text(const MeasuredWays& ways, std::string_view machine);
void read_file_text(std::string_view text, std::string_view machine, MeasuredWays& ways,
                    std::string& why);

/// What the processor is, how many there are, and the kernel: one line that tells machines apart on
/// which other ways may be the fastest.
std::string machine_facts();

/// Where the file is: $XDG_CACHE_HOME/onecopy/tune-NUMBER, by default in ~/.cache; the number is
/// made of `machine`. Empty where the environment names no such directory, and in a program that
/// has more rights than who started it.
std::string ways_path(std::string_view machine);

/// Reads the file. Left alone, with a `why`: one that is not a plain file of this user, or is
/// larger than such a file can be. Without a file `why` is empty, and false is returned.
bool read_ways_file(const std::string& path, std::string_view machine, MeasuredWays& ways,
                    std::string& why);

/// The tables that a rank uses, and where they came from.
struct LoadedWays {
    WayTable table{};
    Schedules schedules = built_in_schedules();
    std::string file;               ///< the file they are from; empty: built in
    std::string ignored;            ///< why there is a file that was left alone, "PATH: reason"
    std::string settings;           ///< ONECOPY_WAYS
    std::string schedule_settings;  ///< ONECOPY_SCHEDULES
};

/// Reads the file and the environment (which a program with more rights than its user does not
/// trust). Some tens of microseconds. Throws std::system_error, EINVAL, where one of
/// ONECOPY_WAYS and ONECOPY_SCHEDULES is wrong; its text says what may stand there.
LoadedWays load_ways();

}  // namespace onecopy::node
