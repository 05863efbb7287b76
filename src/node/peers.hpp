// The other ranks' processes, and their arenas where they have one: opened when first needed.
#pragma once

#include <optional>
#include <system_error>
#include <vector>

#include "node/job_memory.hpp"
#include "onecopy/attachment.hpp"
#include "onecopy/process.hpp"

namespace onecopy::node {

/// One thread at a time.
class Peers {
public:
    Peers(const JobMemory& memory, int own_rank);

    /// The rank's process, with its arena attached if that can be had; null and `error`. What is
    /// given stays.
    const Process* process(int rank, std::error_code& error) noexcept;

    /// Whether its memory may be read by system calls: asked once. Forbidden when a call was
    /// refused.
    bool may_be_read(int rank) noexcept;
    void forbid_reading(int rank) noexcept;

    /// Its arena; null if there is none or it cannot be had.
    const Attachment* arena(int rank) noexcept;

    /// Whether its process has ended or runs another program: its own word, the lifeline, is a
    /// hint that this was called for.
    [[nodiscard]] bool has_ended(int rank) noexcept;

private:
    struct Peer {
        std::optional<Process> process;
        std::optional<Attachment> arena;
        std::optional<bool> may_be_read;
        bool arena_sought = false;
    };
    Peer& peer(int rank) noexcept { return peers_[static_cast<std::size_t>(rank)]; }
    void seek_arena(int rank, Peer& peer) noexcept;
    [[nodiscard]] bool is_still(const RankLine& line) noexcept;
    [[nodiscard]] bool has_ended_as_the_list_says(int rank) noexcept;

    const JobMemory& memory_;
    int own_rank_;
    Windows windows_;
    std::vector<Peer> peers_;
    os::Fd spare_;  // to look at a death with, when the program has used up all others
};

}  // namespace onecopy::node
