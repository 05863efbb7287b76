// In place of src/node/job_memory.hpp: what boards stand in, with a few blocks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "node/atomic.hpp"
#include "node/bell.hpp"

namespace onecopy::node {

inline constexpr int max_ranks = 3;
inline constexpr std::size_t block_bytes = 384;

enum class Stage : std::uint32_t { absent, here, left, dead };

struct RankLine {
    Bell bell;
    Atomic<Stage> stage;
};
struct CommunicatorRecord {
    Atomic<std::uint32_t> boards;
};

/// What the ranks share.
struct Job {
    std::array<RankLine, max_ranks> lines;
    Atomic<std::uint32_t> departures;
    CommunicatorRecord record;
    /// Each rank takes its own, so there is nothing to choose: two for boards, and for the bytes of
    /// frames some that are no larger than a word, with numbers from `first_small` on.
    static constexpr std::uint32_t blocks_each = 2, small_each = 16, first_small = 100;
    static constexpr std::size_t small_bytes = 8;
    alignas(64) std::array<std::byte, max_ranks * blocks_each * block_bytes> blocks;
    alignas(64) std::array<std::byte, max_ranks * small_each * small_bytes> small_blocks;
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
    [[nodiscard]] std::optional<std::uint32_t> take_blocks_of_boards(std::uint32_t count) noexcept {
        if (count > 1) {
            if (!has_small_ || count > Job::small_each) return {};
            return Job::first_small + rank_ * Job::small_each;
        }
        if (left_ == 0) return {};
        return rank_ * Job::blocks_each + Job::blocks_each - left_--;
    }
    [[nodiscard]] std::byte* block(std::uint32_t number) const noexcept {
        if (number < Job::first_small) return job_.blocks.data() + number * block_bytes;
        return job_.small_blocks.data() + (number - Job::first_small) * Job::small_bytes;
    }
    [[nodiscard]] CommunicatorRecord* record(std::uint32_t) const noexcept { return &job_.record; }
    [[nodiscard]] RankLine& line(int rank) const noexcept {
        return job_.lines[static_cast<std::size_t>(rank)];
    }
    [[nodiscard]] Job& job() const noexcept { return job_; }

private:
    Job& job_;
    std::uint32_t rank_, left_;
    bool has_small_;
};

}  // namespace onecopy::node
