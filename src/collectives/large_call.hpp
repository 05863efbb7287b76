// Calls of much data: each rank does the steps of a schedule, on memory that all of them see.
//
// What is seen is either the callers' own memory, where every rank can map what it touches (it
// comes from arenas), or frames: pieces of shared memory that stay in a cache, into which a rank
// copies what others need of it, piece by piece, while they take it out. All ranks publish what
// they can, see what the others can, and come to the same verdict.
//
// The data goes in windows, each a schedule's run of its own, and up to frame_slots of them are at
// work at once.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <new>

#include "collectives/call.hpp"
#include "collectives/group.hpp"
#include "collectives/plan.hpp"
#include "collectives/sight.hpp"
#include "node/work.hpp"

namespace onecopy::collectives {

/// Room for the sources and targets of a step.
class Pointers {
public:
    /// False: no memory.
    bool make(std::size_t sources, std::size_t targets) noexcept {
        if (sources > sources_) {
            operands_.reset(new (std::nothrow) Operand[sources]);
            sources_ = operands_ ? sources : 0;
        }
        if (targets > targets_count_) {
            targets_.reset(new (std::nothrow) std::byte*[targets]);
            targets_count_ = targets_ ? targets : 0;
        }
        return sources <= sources_ && targets <= targets_count_;
    }
    [[nodiscard]] Operand* operands() const noexcept { return operands_.get(); }
    [[nodiscard]] std::byte** targets() const noexcept { return targets_.get(); }

private:
    std::unique_ptr<Operand[]> operands_;
    std::unique_ptr<std::byte*[]> targets_;
    std::size_t sources_ = 0, targets_count_ = 0;
};

class LargeCall final : public node::Work {
public:
    /// Throws std::bad_alloc.
    LargeCall(Group& group, const Call& call);

    bool advance() noexcept override;

private:
    enum class State : std::uint8_t { begun, posted, moving, done, stopped };

    /// A window at work.
    struct Run {
        std::uint64_t frame = 0;
        std::uint64_t at = 0;  ///< in the block
        const Plan* plan = nullptr;
        std::size_t step = 0;
        std::uint64_t moved = 0;      ///< of the step
        std::uint32_t published = 0;  ///< phases completed, counted from 1; 0: not yet begun
    };

    Look post() noexcept;
    Look find_all() noexcept;
    bool decide() noexcept;
    Look move(bool& any) noexcept;
    Look go_on(Run& run, bool& any) noexcept;
    Look begin_run(Run& run) noexcept;
    Look ready(const Run& run, const schedule::Step& step) noexcept;
    bool carry_out(Run& run, const schedule::Step& step) noexcept;
    Look all_have_done() noexcept;
    void stop() noexcept;
    void leave() noexcept;
    bool find_memory(const Run& run, const schedule::Step& step, std::uint64_t& part) noexcept;
    void put_together(const Run& run, const schedule::Step& step, std::size_t bytes) noexcept;
    void carry_out_element(const Run& run, const schedule::Step& step) noexcept;
    void show(const Run& run, const schedule::Place& target, const std::byte* made,
              std::size_t bytes) noexcept;
    std::byte* where(const Run& run, const schedule::Place& place, std::uint64_t more,
                     std::uint64_t& bytes) noexcept;

    Group& group_;
    Call call_;
    std::uint64_t signature_;
    std::uint32_t number_;
    std::uint32_t turn_;
    State state_ = State::begun;
    int found_ = 1;
    std::uint32_t all_flags_ = ~std::uint32_t{0}, any_flags_ = 0;
    bool mapped_ = false;
    std::uint64_t window_ = 0;  ///< bytes of a block
    std::uint64_t first_frame_ = 0, next_frame_ = 0, end_frame_ = 0;
    std::array<Run, frame_slots> runs_{};
    std::shared_ptr<const Plan> whole_, rest_;  ///< of a window, and of the last one
    Sight sight_;
    Pointers pointers_;
    int asked_ = 0;
};

}  // namespace onecopy::collectives
