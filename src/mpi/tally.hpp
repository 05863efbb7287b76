// What went which way, for the report. No MPI in here.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "mpi/traffic.hpp"

namespace onecopy::mpi {

/// The functions that can be taken over.
enum class Call : unsigned char { reduce, allreduce };
inline constexpr std::array<const char*, 2> call_names{"reduce", "allreduce"};

/// Why a call went to the MPI.
enum class Reason : unsigned char {
    not_agreed,         ///< the job passes everything through
    no_data,            ///< count 0 or less, a root that is none, MPI_COMM_NULL: the MPI's to judge
    small,              ///< below the threshold
    operation,          ///< not a predefined operation
    datatype,           ///< not a predefined type, or not allowed with the operation
    alone,              ///< a communicator of one
    intercommunicator,  ///<
    spans_machines,     ///< a member of the communicator is not a rank of this job on this machine
    no_channel,         ///< too many communicators
    declined,           ///< a member could not: a device's library came, no memory, bad arguments
};
inline constexpr std::array<const char*, 10> reason_names{
    "not_agreed", "no_data",           "small",          "operation",  "datatype",
    "alone",      "intercommunicator", "spans_machines", "no_channel", "declined"};

struct Counts {
    std::atomic<std::uint64_t> calls{0};
    std::atomic<std::uint64_t> bytes{0};

    void add(std::uint64_t more) noexcept {
        calls.fetch_add(1, std::memory_order_relaxed);
        bytes.fetch_add(more, std::memory_order_relaxed);
    }
};

/// One process's counts; any thread adds to them.
struct Tally {
    struct Function {
        Counts taken;
        std::array<Counts, reason_names.size()> passed;
    };
    std::array<Function, call_names.size()> functions;

    void taken(Call call, std::uint64_t bytes) noexcept { of(call).taken.add(bytes); }
    void passed(Call call, Reason reason, std::uint64_t bytes) noexcept {
        of(call).passed[static_cast<std::size_t>(reason)].add(bytes);
    }

private:
    Function& of(Call call) noexcept { return functions[static_cast<std::size_t>(call)]; }
};

/// Who reports.
struct Reporter {
    std::string library;  ///< the MPI's own words
    std::string refusal;  ///< why everything was passed on; empty if not
    int rank = 0;
    int size = 0;
};

/// The report of one rank, a JSON object: docs/mpi.md describes it.
std::string report_of(const Reporter& reporter, const Tally& tally, const Traffic* traffic);

/// Writes it into `directory`, as one file per process. False if that was not possible.
bool write_report(const std::string& directory, const std::string& report, int rank);

}  // namespace onecopy::mpi
