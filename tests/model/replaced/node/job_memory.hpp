// In place of src/node/job_memory.hpp: what boards stand in, with a few blocks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "node/atomic.hpp"
#include "node/bell.hpp"
#include "node/free_runs.hpp"
#include "os/cpu_place.hpp"

namespace onecopy::node {

inline constexpr int max_ranks = 3;
inline constexpr std::size_t block_bytes = 384;
inline constexpr std::uint32_t blocks_of_frames = 16;

enum class Stage : std::uint32_t { absent, here, left, dead };

struct RankLine {
    Bell bell;
    Atomic<Stage> stage;
    os::CpuPlace place;
};
struct CollectiveRecord {
    Atomic<std::uint32_t> table, gone, blocks, frames;
};

/// What the ranks share.
struct Job {
    std::array<RankLine, max_ranks> lines;
    Atomic<std::uint32_t> departures;
    /// Of communicators that are made one after the other.
    std::array<CollectiveRecord, 2> records;
    FreeRuns free_boards;
    /// Each rank takes its own, so there is nothing to choose: two for boards, and for the bytes of
    /// frames some that are no larger than a word, with numbers from `first_small` on.
    static constexpr std::uint32_t blocks_each = 2, small_each = blocks_of_frames;
    static constexpr std::uint32_t first_small = max_ranks * blocks_each;
    static constexpr std::size_t small_bytes = 8;
    alignas(64) std::array<std::byte, max_ranks * blocks_each * block_bytes> blocks;
    alignas(64) std::array<std::byte, max_ranks * small_each * small_bytes> small_blocks;
    /// By block.
    std::array<RunLink, first_small + max_ranks * small_each> links;
    /// And what is not the job's: a word of each rank's own memory.
    alignas(64) std::array<std::byte, max_ranks * small_bytes> own_memory;
};

/// As one rank sees it.
class JobMemory {
public:
    JobMemory(Job& job, int rank, bool has_blocks) noexcept
        : job_(job),
          rank_(static_cast<std::uint32_t>(rank)),
          left_(has_blocks ? Job::blocks_each : 0),
          has_small_(has_blocks) {}
    enum class RunLength : std::uint8_t { block, frames };
    struct BoardRun {
        std::uint32_t first;
        bool used;
    };
    auto by_run() const noexcept {
        return [this](std::uint32_t run) -> RunLink& { return board_link(run - 1); };
    }
    [[nodiscard]] std::optional<BoardRun> take_board_run(RunLength length) const noexcept {
        if (length == RunLength::frames) {
            if (!has_small_) return {};
            return BoardRun{Job::first_small + rank_ * Job::small_each, false};
        }
        if (left_ > 0)
            return BoardRun{rank_ * Job::blocks_each + Job::blocks_each - left_--, false};
        if (!has_small_) return {};
        const std::uint32_t run = job_.free_boards.take(by_run());
        if (run == 0) return {};
        return BoardRun{run - 1, true};
    }
    void give_back_board_runs(RunLength length, std::uint32_t first,
                              std::uint32_t last) const noexcept {
        if (length == RunLength::block) job_.free_boards.give(by_run(), first + 1, last + 1);
    }
    [[nodiscard]] RunLink& board_link(std::uint32_t first) const noexcept {
        return job_.links[first];
    }
    [[nodiscard]] std::byte* block(std::uint32_t number) const noexcept {
        if (number < Job::first_small) return job_.blocks.data() + number * block_bytes;
        return job_.small_blocks.data() + (number - Job::first_small) * Job::small_bytes;
    }
    [[nodiscard]] CollectiveRecord* collective_record(std::uint32_t number) const noexcept {
        return &job_.records[number];
    }
    [[nodiscard]] RankLine& line(int rank) const noexcept {
        return job_.lines[static_cast<std::size_t>(rank)];
    }
    [[nodiscard]] Job& job() const noexcept { return job_; }

private:
    Job& job_;
    std::uint32_t rank_;
    mutable std::uint32_t left_;
    bool has_small_;
};

}  // namespace onecopy::node
