// In place of src/node/endpoint.hpp: as much of a rank's end as src/collectives/group.cpp uses, and
// what Endpoint::progress does about those who have gone, in a few lines.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>
#include <vector>

#include "node/communicator_blocks.hpp"
#include "node/job_memory.hpp"
#include "node/schedules.hpp"
#include "onecopy/error.hpp"

namespace onecopy::node {

/// Of all ranks of the job.
class Context {
public:
    Context(int rank, int size) : rank_(rank) {
        for (int i = 0; i < size; ++i) members_.push_back(i);
    }
    [[nodiscard]] std::uint32_t number() const noexcept { return 0; }
    [[nodiscard]] int rank() const noexcept { return rank_; }
    [[nodiscard]] int size() const noexcept { return static_cast<int>(members_.size()); }
    [[nodiscard]] int member(int rank) const noexcept { return rank; }
    [[nodiscard]] const std::vector<int>& members() const noexcept { return members_; }

    std::shared_ptr<CommunicatorBlocks> blocks;
    std::error_code broken;

private:
    int rank_;
    std::vector<int> members_;
};

class Watch {
public:
    explicit Watch(JobMemory& memory) noexcept : memory_(memory) {}
    [[nodiscard]] Stage stage(int rank) const noexcept {
        return memory_.line(rank).stage.load(std::memory_order_acquire);
    }
    [[nodiscard]] std::uint32_t departures() const noexcept {
        return memory_.job().departures.load(std::memory_order_seq_cst);
    }
    /// By the one who goes, or whom the kernel speaks for.
    void depart(int rank, Stage stage) noexcept {
        memory_.line(rank).stage.store(stage, std::memory_order_release);
        memory_.job().departures.fetch_add(1, std::memory_order_seq_cst);
        for (int each = 0; each < max_ranks; ++each) {
            if (each != rank) memory_.line(each).bell.ring_if_asleep();
        }
    }

private:
    JobMemory& memory_;
};

class Endpoint {
public:
    Endpoint(JobMemory& memory, Context& context) noexcept
        : memory_(memory), context_(context), watch_(memory) {
        stages_.fill(Stage::here);
        for (ScheduleTable& each : schedules_)
            each.number = static_cast<std::uint32_t>(1 + context.rank());
    }
    [[nodiscard]] JobMemory& memory() noexcept { return memory_; }
    [[nodiscard]] Watch& watch() noexcept { return watch_; }
    void tell(int rank) noexcept { memory_.line(rank).bell.ring_if_asleep(); }
    [[nodiscard]] bool has_seen_departures() const noexcept { return departures_seen_ > 0; }
    [[nodiscard]] Stage stage_of(int rank) const noexcept {
        return stages_[static_cast<std::size_t>(rank)];
    }

    /// Those of rank 0 have the number 1, those of rank 1 the number 2.
    [[nodiscard]] const Schedules& schedules() const noexcept { return schedules_; }

    void look_for_departures() noexcept {
        const std::uint32_t departures = watch_.departures();
        if (departures <= departures_seen_) return;
        departures_seen_ = departures;
        for (const int rank : context_.members()) {
            const Stage stage = watch_.stage(rank);
            if (stage == Stage::here) continue;
            stages_[static_cast<std::size_t>(rank)] = stage;
            if (stage == Stage::dead) context_.broken = Errc::peer_died;
        }
    }

private:
    JobMemory& memory_;
    Context& context_;
    Watch watch_;
    std::uint32_t departures_seen_ = 0;
    std::array<Stage, max_ranks> stages_;
    Schedules schedules_;
};

}  // namespace onecopy::node
