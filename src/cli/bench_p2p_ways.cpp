#include "cli/bench_p2p_ways.hpp"

#include <array>

namespace onecopy::cli {
namespace {

using Launcher = JobWay::Launcher;

constexpr std::array<JobWay, 13> ways = {{
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

}  // namespace

std::span<const JobWay> p2p_ways() noexcept { return ways; }

bool does(std::string_view way, std::string_view work) noexcept {
    return way != "memcpy" || (work != "latency" && work != "message_rate");
}

}  // namespace onecopy::cli
