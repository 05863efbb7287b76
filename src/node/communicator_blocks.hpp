// What the collective calls of a communicator take of the job's memory, and that it is given back.
//
// All that members take is linked to the communicator's record. Each says there, once, that it has
// gone: when its program has destroyed the communicator and the calls that it had begun are over.
// The last one to say so gives everything back to the job; until then everything stays as it is,
// also what those took that have gone, since others may still look at it. Whoever never made a call
// counts like all others. Who dies without a word never says so: then the job ends with that much
// less.
//
//   table     the block by which members find each other's, counted from 1; whoever stores it first
//             decides (release; acquire). No number is used again, and over_for_good is its end.
//   blocks,   the runs that were taken last, of either length: each is linked to the one before,
//   frames    and nobody takes one off before all are (release; acquire by way of `gone`)
//   gone      how many members have gone (acquire and release: what each did before is over when
//             the last one finds that it is the last)
//
// Nobody holds anything here while others wait: a rank that is killed between two instructions
// loses the run that it had in hand, or all of the communicator's if it was the last to go.
#pragma once

#include <cstdint>
#include <optional>

#include "node/job_memory.hpp"

namespace onecopy::node {

/// A member's, of one communicator. Owned by the communicator's context and by the calls that are
/// at work: it goes when none of them is left.
class CommunicatorBlocks {
public:
    using Length = JobMemory::RunLength;

    CommunicatorBlocks(const JobMemory& memory, std::uint32_t communicator, int members) noexcept;
    ~CommunicatorBlocks();
    CommunicatorBlocks(const CommunicatorBlocks&) = delete;
    CommunicatorBlocks& operator=(const CommunicatorBlocks&) = delete;

    /// A run that nobody else has. Nothing: there is no memory. Any thread.
    [[nodiscard]] std::optional<JobMemory::BoardRun> take(Length length) noexcept;

    /// The block of the table, the same for all members; nothing if the first who asked found no
    /// memory. `clear(block)` makes one zero that was used before. Any thread.
    template <class Clear>
    [[nodiscard]] std::optional<std::uint32_t> table(const Clear& clear) noexcept {
        if (record_ == nullptr) return {};
        std::uint32_t place = record_->table.load(std::memory_order_acquire);
        if (place == 0) {
            const auto run = memory_.take_board_run(Length::block);
            if (run && run->used) clear(run->first);
            const std::uint32_t ours = run ? run->first + 1 : over_for_good;
            if (record_->table.compare_exchange_strong(place, ours, std::memory_order_acq_rel)) {
                place = ours;
                if (run) keep(Length::block, run->first);
            } else if (run) {
                memory_.give_back_board_runs(Length::block, run->first, run->first);
            }
        }
        if (place == over_for_good) return {};
        return place - 1;
    }

private:
    static constexpr std::uint32_t over_for_good = ~std::uint32_t{0};

    void keep(Length length, std::uint32_t first) noexcept;
    void give_back(Length length) noexcept;
    [[nodiscard]] Atomic<std::uint32_t>& kept(Length length) const noexcept {
        return length == Length::block ? record_->blocks : record_->frames;
    }

    const JobMemory& memory_;
    CollectiveRecord* record_;  // null: there are none for so many communicators
    std::uint32_t members_;
    std::uint32_t maker_;
};

}  // namespace onecopy::node
