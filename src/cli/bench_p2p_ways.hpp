// The ways that `onecopy bench p2p` compares: how each is started, and what it needs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/bench_jobs.hpp"

namespace onecopy::cli {

struct P2pWay {
    enum class Launcher { none, onecopy, openmpi, mpich };

    std::string_view name;
    std::string_view driver;    // program beside the tool
    std::string_view packages;  // Debian's, without which it is not built or does not run
    Launcher launcher = Launcher::none;
    bool copies = true;  // false: the receiver reads the message where the sender wrote it
};

/// All of them, in the order of the report.
std::span<const P2pWay> p2p_ways() noexcept;
std::span<const std::string_view> p2p_way_names() noexcept;

/// The four settings of MPI; the best of them at a point is what we are held against.
bool is_mpi_setting(std::string_view way) noexcept;

/// Whether a way can do a work: one that is no more than a memcpy cannot wait for an answer.
bool does(std::string_view way, std::string_view work) noexcept;

/// How a job of `ranks` ranks is started on so many cores. Throws JobLost if something is not
/// there.
JobPlan plan_of(const P2pWay& way, int ranks, std::size_t cores);

}  // namespace onecopy::cli
