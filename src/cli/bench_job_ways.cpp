#include "cli/bench_job_ways.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "cli/bench_program.hpp"

namespace onecopy::cli {
namespace {

using Launcher = JobWay::Launcher;

/// The first of `programs` that is in PATH. Throws JobLost.
std::string find_in_path(std::span<const std::string_view> programs, std::string_view packages) {
    const char* path = std::getenv("PATH");
    for (const std::string_view program : programs) {
        std::stringstream folders(path != nullptr ? path : "");
        for (std::string folder; std::getline(folders, folder, ':');) {
            const auto candidate = std::filesystem::path(folder) / program;
            if (::access(candidate.c_str(), X_OK) == 0) return candidate.string();
        }
    }
    throw JobLost(fmt::format("{} is not installed (Debian: {})", programs.front(), packages));
}

void plan_openmpi(const JobWay& way, int ranks, std::size_t cores, JobPlan& plan) {
    constexpr std::array<std::string_view, 2> programs = {"mpirun.openmpi", "mpirun"};
    std::vector<std::string>& command = plan.command;
    command = {find_in_path(programs, way.packages), "-n", std::to_string(ranks)};
    // All ways bind alike: the driver does it.
    command.insert(command.end(), {"--bind-to", "none"});
    if (static_cast<std::size_t>(ranks) > cores) command.emplace_back("--oversubscribe");
    // What it keeps in files goes where it is swept.
    command.insert(command.end(), {"--mca", "orte_tmpdir_base", "{folder}", "--mca",
                                   "btl_vader_backing_directory", "{folder}"});
    if (way.name == "openmpi-nocma") {
        command.insert(command.end(), {"--mca", "btl_vader_single_copy_mechanism", "none"});
    }
    if (::geteuid() == 0) {
        plan.environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT", "1");
        plan.environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    }
}

void plan_mpich(const JobWay& way, int ranks, JobPlan& plan) {
    constexpr std::array<std::string_view, 3> programs = {"mpirun.mpich", "mpiexec.hydra",
                                                          "mpiexec"};
    plan.command = {find_in_path(programs, way.packages), "-bind-to", "none", "-n",
                    std::to_string(ranks)};
    plan.environment.emplace_back("UCX_POSIX_DIR", "{folder}");  // where it is swept
    if (way.name == "mpich-posix") plan.environment.emplace_back("UCX_TLS", "posix,self");
}

}  // namespace

std::vector<std::string_view> names_of(std::span<const JobWay> ways) {
    std::vector<std::string_view> names;
    for (const JobWay& way : ways) names.push_back(way.name);
    return names;
}

bool is_openmpi_setting(std::string_view way) noexcept {
    return way == "openmpi" || way == "openmpi-nocma";
}

bool is_mpi_setting(std::string_view way) noexcept {
    return is_openmpi_setting(way) || way == "mpich" || way == "mpich-posix";
}

JobPlan plan_of(const JobWay& way, int ranks, std::size_t cores) {
    JobPlan plan;
    plan.way = way.name;
    const std::string driver = find_beside_tool(way.driver);
    if (driver.empty()) {
        throw JobLost(fmt::format(
            "{} is not built or not installed{}", way.driver,
            way.packages.empty() ? std::string() : fmt::format(" (Debian: {})", way.packages)));
    }
    plan.has_launcher = way.launcher != Launcher::none;
    if (way.launcher == Launcher::onecopy) {
        plan.command = {find_beside_tool("onecopy"),
                        "run",
                        "-n",
                        std::to_string(ranks),
                        "--bind",
                        "none",
                        "--"};
    }
    if (way.launcher == Launcher::openmpi) plan_openmpi(way, ranks, cores, plan);
    if (way.launcher == Launcher::mpich) plan_mpich(way, ranks, plan);
    plan.command.insert(plan.command.end(), {driver, "{control}"});
    plan.environment.emplace_back("TMPDIR", "{folder}");
    // What a user has preloaded, or said to the preloaded parts, is not to be measured.
    plan.environment.emplace_back("LD_PRELOAD", "");
    if (way.name == unprepared_way) {
        plan.environment.emplace_back("ONECOPY_BENCH_MEMORY", "ordinary");
    }
    return plan;
}

}  // namespace onecopy::cli
