// What the ranks of an MPI job reported, put together: what was taken over, what went to the MPI
// and why, and how the bytes moved.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace onecopy::cli {

/// Calls and their payload, of all ranks together.
struct MpiCounts {
    std::uint64_t calls = 0;
    std::uint64_t bytes = 0;
};

struct MpiReport {
    int ranks = 0;            ///< that reported
    int ranks_that_took = 0;  ///< of these, those that took calls over
    std::string library;      ///< the MPI's own words
    std::string refusal;      ///< why the others did not; of the first that said so
    /// By function, then by way: "taken", or the reason for which a call was passed on.
    std::map<std::string, std::map<std::string, MpiCounts>> functions;
    std::map<std::string, std::uint64_t> moved_bytes;  ///< by mechanism
};

/// Adds one rank's report, a JSON object as src/mpi/tally.cpp writes it. False if it is none: it is
/// then left out.
bool add_rank(MpiReport& report, std::string_view json);

/// Puts the reports in `directory` together.
MpiReport read_reports(const std::string& directory);

/// The table of it, for a person.
std::string report_text(const MpiReport& report);

}  // namespace onecopy::cli
