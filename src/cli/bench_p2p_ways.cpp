#include "cli/bench_p2p_ways.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "cli/bench_program.hpp"

namespace onecopy::cli {
namespace {

using Launcher = P2pWay::Launcher;

constexpr std::array<P2pWay, 13> ways = {{
    {"memcpy", "onecopy-p2p-memcpy", ""},
    {"onecopy", "onecopy-p2p-onecopy", "", Launcher::onecopy},
    {"onecopy-ordinary", "onecopy-p2p-onecopy", "", Launcher::onecopy},
    {"openmpi", "onecopy-p2p-openmpi", "libopenmpi-dev, openmpi-bin", Launcher::openmpi},
    {"openmpi-nocma", "onecopy-p2p-openmpi", "libopenmpi-dev, openmpi-bin", Launcher::openmpi},
    {"mpich", "onecopy-p2p-mpich", "libmpich-dev, mpich", Launcher::mpich},
    {"mpich-posix", "onecopy-p2p-mpich", "libmpich-dev, mpich", Launcher::mpich},
    {"zeromq", "onecopy-p2p-zeromq", "libzmq3-dev"},
    {"boost", "onecopy-p2p-boost", "libboost-dev"},
    {"boost-offset", "onecopy-p2p-boost-offset", "libboost-dev", Launcher::none, false},
    {"iceoryx", "onecopy-p2p-iceoryx", "libiceoryx-posh-dev, iceoryx", Launcher::none, false},
    {"unix", "onecopy-p2p-unix", ""},
    {"pipe", "onecopy-p2p-pipe", ""},
}};

constexpr auto names = [] {
    std::array<std::string_view, ways.size()> all{};
    std::transform(ways.begin(), ways.end(), all.begin(),
                   [](const P2pWay& way) { return way.name; });
    return all;
}();

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

void plan_openmpi(const P2pWay& way, int ranks, std::size_t cores, JobPlan& plan) {
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

void plan_mpich(const P2pWay& way, int ranks, JobPlan& plan) {
    constexpr std::array<std::string_view, 3> programs = {"mpirun.mpich", "mpiexec.hydra",
                                                          "mpiexec"};
    plan.command = {find_in_path(programs, way.packages), "-bind-to", "none", "-n",
                    std::to_string(ranks)};
    plan.environment.emplace_back("UCX_POSIX_DIR", "{folder}");  // where it is swept
    if (way.name == "mpich-posix") plan.environment.emplace_back("UCX_TLS", "posix,self");
}

}  // namespace

std::span<const P2pWay> p2p_ways() noexcept { return ways; }
std::span<const std::string_view> p2p_way_names() noexcept { return names; }

bool is_mpi_setting(std::string_view way) noexcept {
    return std::any_of(ways.begin(), ways.end(), [way](const P2pWay& one) {
        return one.name == way &&
               (one.launcher == Launcher::openmpi || one.launcher == Launcher::mpich);
    });
}

bool does(std::string_view way, std::string_view work) noexcept {
    return way != "memcpy" || (work != "latency" && work != "message_rate");
}

JobPlan plan_of(const P2pWay& way, int ranks, std::size_t cores) {
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
    if (way.name == "onecopy-ordinary") {
        plan.environment.emplace_back("ONECOPY_P2P_MEMORY", "ordinary");
    }
    return plan;
}

}  // namespace onecopy::cli
