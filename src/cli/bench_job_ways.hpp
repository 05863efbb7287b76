// How the jobs of the ways are started that a bench compares: ours, MPI's and others'.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "cli/bench_jobs.hpp"

namespace onecopy::cli {

struct JobWay {
    enum class Launcher { none, onecopy, openmpi, mpich };

    std::string_view name;
    std::string_view driver;    // program beside the tool
    std::string_view packages;  // Debian's, without which it is not built or does not run
    Launcher launcher = Launcher::none;
    bool copies = true;  // false: the receiver reads the message where the sender wrote it
};

std::vector<std::string_view> names_of(std::span<const JobWay> ways);

/// Our two ways: buffers in arena memory, and in memory that nobody prepared.
inline constexpr std::string_view prepared_way = "onecopy";
inline constexpr std::string_view unprepared_way = "onecopy-ordinary";

/// The four settings of MPI; the best of them at a point is what we are held against.
bool is_mpi_setting(std::string_view way) noexcept;
/// The two of them that are Open MPI's.
bool is_openmpi_setting(std::string_view way) noexcept;

/// How a job of `ranks` ranks is started on so many cores. Throws JobLost if something is not
/// there.
JobPlan plan_of(const JobWay& way, int ranks, std::size_t cores);

}  // namespace onecopy::cli
