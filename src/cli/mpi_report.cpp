#include "cli/mpi_report.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/terminal.hpp"

namespace onecopy::cli {
namespace {

constexpr std::string_view taken = "taken";

/// What a way is called in the table: the reasons come in the words of src/mpi/tally.hpp.
std::string words_of(const std::string& way) {
    static const std::map<std::string, std::string> words{
        {"taken", "onecopy"},
        {"not_agreed", "MPI: the job passes through"},
        {"no_data", "MPI: nothing to reduce"},
        {"small", "MPI: below the threshold"},
        {"operation", "MPI: the program's own operation"},
        {"datatype", "MPI: a type that is not taken"},
        {"alone", "MPI: a communicator of one"},
        {"intercommunicator", "MPI: an intercommunicator"},
        {"spans_machines", "MPI: members elsewhere"},
        {"no_channel", "MPI: too many communicators"},
        {"declined", "MPI: a member could not"},
    };
    const auto found = words.find(way);
    return found != words.end() ? found->second : "MPI: " + way;
}

MpiCounts counts_of(const nlohmann::json& counts) {
    return {counts.at("calls").get<std::uint64_t>(), counts.at("bytes").get<std::uint64_t>()};
}

}  // namespace

bool add_rank(MpiReport& report, std::string_view json) {
    MpiReport sum = report;
    try {
        const auto rank = nlohmann::json::parse(json);
        const bool took = rank.at("mode").get<std::string>() == taken;
        ++sum.ranks;
        sum.ranks_that_took += took ? 1 : 0;
        if (sum.library.empty()) sum.library = rank.at("library").get<std::string>();
        if (!took && sum.refusal.empty()) sum.refusal = rank.at("reason").get<std::string>();
        const auto add = [&](const std::string& function, const std::string& way,
                             const nlohmann::json& counts) {
            const MpiCounts more = counts_of(counts);
            if (more.calls == 0) return;
            MpiCounts& total = sum.functions[function][way];
            total.calls += more.calls;
            total.bytes += more.bytes;
        };
        for (const auto& [name, function] : rank.at("functions").items()) {
            add(name, std::string(taken), function.at("taken"));
            for (const auto& [reason, counts] : function.at("passed").items()) {
                add(name, reason, counts);
            }
        }
        for (const auto& [way, bytes] : rank.at("moved").items()) {
            sum.moved_bytes[way] += bytes.get<std::uint64_t>();
        }
    } catch (const nlohmann::json::exception&) {
        return false;
    }
    report = std::move(sum);
    return true;
}

MpiReport read_reports(const std::string& directory) {
    MpiReport report;
    std::error_code error;  // a program may have removed the directory, and still keeps its status
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        std::ifstream file(entry.path());
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        add_rank(report, text);
    }
    return report;
}

std::string report_text(const MpiReport& report) {
    if (report.ranks == 0) {
        return "onecopy: mpi: no rank reported (no MPI program, one of an MPI that is not "
               "supported, or it did not reach MPI_Finalize)\n";
    }
    std::string text =
        fmt::format("onecopy mpi: {} ranks, {}\n", report.ranks, printable(report.library));
    if (report.ranks_that_took < report.ranks) {
        text += fmt::format("{} of them passed everything to the MPI: {}\n",
                            report.ranks - report.ranks_that_took, printable(report.refusal));
    }
    const auto row = [&](std::string_view function, std::string_view way, const auto& calls,
                         const auto& bytes) {
        text += fmt::format("  {:<11} {:<34} {:>10} {:>16}\n", function, way, calls, bytes);
    };
    row("function", "carried by", "calls", "bytes");
    for (const auto& [function, ways] : report.functions) {
        for (const auto& [way, counts] : ways) {
            row(function, words_of(way), counts.calls, counts.bytes);
        }
    }
    for (const auto& [way, bytes] : report.moved_bytes) {
        if (bytes > 0) row("read by", way, "", bytes);
    }
    return text;
}

}  // namespace onecopy::cli
