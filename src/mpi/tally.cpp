#include "mpi/tally.hpp"

#include <unistd.h>

#include <fstream>

namespace onecopy::mpi {

namespace {

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') out += '\\';
        // What an MPI says of itself is plain text; anything else would need more than this.
        out += code < 0x20 ? ' ' : c;
    }
    return out + '"';
}

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string counts_of(const Counts& counts) {
    return "{\"calls\": " + number(counts.calls.load()) +
           ", \"bytes\": " + number(counts.bytes.load()) + "}";
}

}  // namespace

std::string report_of(const Reporter& reporter, const Tally& tally, const Traffic* traffic) {
    std::string out = "{\"onecopy\": " + quoted(ONECOPY_VERSION) +
                      ", \"library\": " + quoted(reporter.library) +
                      ", \"mode\": " + quoted(reporter.refusal.empty() ? "taken" : "passed") +
                      ", \"reason\": " + quoted(reporter.refusal) +
                      ", \"rank\": " + std::to_string(reporter.rank) +
                      ", \"size\": " + std::to_string(reporter.size) +
                      ", \"pid\": " + std::to_string(::getpid()) + ",\n \"functions\": {";
    for (std::size_t f = 0; f < call_names.size(); ++f) {
        const Tally::Function& function = tally.functions[f];
        out += std::string(f == 0 ? "" : ",") + "\n  " + quoted(call_names[f]) +
               ": {\"taken\": " + counts_of(function.taken) + ", \"passed\": {";
        bool first = true;
        for (std::size_t r = 0; r < reason_names.size(); ++r) {
            if (function.passed[r].calls.load() == 0) continue;
            out += std::string(first ? "" : ", ") + quoted(reason_names[r]) + ": " +
                   counts_of(function.passed[r]);
            first = false;
        }
        out += "}}";
    }
    const auto moved = [&](const std::atomic<std::uint64_t> Traffic::*way) {
        return traffic == nullptr ? std::string("0") : number((traffic->*way).load());
    };
    out += "},\n \"moved\": {\"process_vm\": " + moved(&Traffic::process_vm) +
           ", \"proc_mem\": " + moved(&Traffic::proc_mem) +
           ", \"staged\": " + moved(&Traffic::staged) + "}}\n";
    return out;
}

bool write_report(const std::string& directory, const std::string& report, int rank) {
    std::ofstream file(directory + "/onecopy-mpi-" + std::to_string(rank) + "-" +
                       std::to_string(::getpid()) + ".json");
    file << report;
    file.close();
    return !file.fail();
}

}  // namespace onecopy::mpi
