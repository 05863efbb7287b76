// Starting a program, mostly an MPI launcher, with the preloaded library.
#pragma once

#include <string>
#include <vector>

namespace onecopy::cli {

struct MpiLaunch {
    std::vector<std::string> command;  ///< the program and its arguments; looked up in PATH
    bool off = false;                  ///< start it with onecopy switched off
    std::string report_directory;      ///< where the ranks report; empty: nowhere
};

/// The preloaded library that belongs to this tool. Throws Failure if there is none.
std::string mpi_library();

/// Runs it to its end; signals that would end this process go to the program. Returns its exit
/// status, or 128 and the number of the signal that ended it. Throws WrongInput if it cannot be
/// started.
int launch(const MpiLaunch& launch);

/// Runs a command to its end and puts its standard output into `output`; status as launch().
/// Throws WrongInput if it cannot be started.
int launch_and_read(const std::vector<std::string>& command, std::string& output);

/// A directory of our own, removed with all that is in it.
class ReportDirectory {
public:
    /// Throws Failure.
    ReportDirectory();
    ~ReportDirectory();
    ReportDirectory(const ReportDirectory&) = delete;
    ReportDirectory& operator=(const ReportDirectory&) = delete;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

}  // namespace onecopy::cli
