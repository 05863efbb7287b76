// What the ranks of a window share beside its memory: a record for each rank, in the job's memory.
//
// Blocks of the job's memory are never given back, so a rank cuts the ones it takes into records
// and uses those again for later windows, of whichever communicator.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <vector>

#include "node/job_memory.hpp"
#include "windows/fair_lock.hpp"
#include "windows/gate.hpp"

namespace onecopy::windows {

/// Rounds of a barrier of that many ranks.
inline constexpr int most_rounds = std::bit_width(unsigned{node::max_ranks} - 1);

/// Of one rank in one window; places of waiters follow, for the two locks.
struct Control {
    alignas(64) FairLock epoch;    ///< Window::lock()
    alignas(64) FairLock element;  ///< held during an accumulate that the processor has no
                                   ///< instruction for
    alignas(64) Gate gate;         ///< that of rank 0 is the window's
    /// How often a window that had this record was closed by its rank. Never goes back to 0.
    std::atomic<std::uint32_t> closed;
    /// What the others told this rank in each round of a barrier: its number and a verdict. Two
    /// sets by turns: who is through may be at the next one while another has not read this one.
    alignas(64) std::array<std::array<std::atomic<std::uint32_t>, most_rounds>, 2> inbox;
};

/// Where a record is: something that can be told to other ranks.
struct ControlName {
    std::uint32_t block;
    std::uint32_t index;
};

/// A job's records, and those that this rank has free. One thread at a time.
class Controls {
public:
    explicit Controls(node::JobMemory& memory) noexcept
        : memory_(memory),
          places_(std::bit_ceil(static_cast<std::size_t>(memory.ranks()))),
          bytes_((sizeof(Control) + 2 * places_ * sizeof(WaiterPlace) + 63) / 64 * 64) {}

    /// One that nobody else has, zero but for `closed`. Nothing if there is no memory.
    std::optional<ControlName> take() noexcept {
        if (free_.empty() && !fetch_block()) return {};
        const ControlName name = free_.back();
        free_.pop_back();
        Control& record = at(name);
        const std::uint32_t closed = record.closed.load(std::memory_order_relaxed);
        std::memset(reinterpret_cast<std::byte*>(&record), 0, bytes_);
        record.closed.store(closed, std::memory_order_relaxed);
        return name;
    }
    /// When no other rank writes there any more. There is room: it was here before.
    void give_back(ControlName name) noexcept { free_.push_back(name); }

    [[nodiscard]] Control& at(ControlName name) const noexcept {
        return *reinterpret_cast<Control*>(memory_.block(name.block) + name.index * bytes_);
    }
    /// Of who waits for its locks.
    [[nodiscard]] std::span<WaiterPlace> epoch_places(Control& record) const noexcept {
        auto* const first = reinterpret_cast<WaiterPlace*>(&record + 1);
        return {first, places_};
    }
    [[nodiscard]] std::span<WaiterPlace> element_places(Control& record) const noexcept {
        auto* const first = reinterpret_cast<WaiterPlace*>(&record + 1);
        return {first + places_, places_};
    }

private:
    bool fetch_block() noexcept {
        const std::size_t count = node::block_bytes / bytes_;
        try {
            // Room for all there ever are: giving back cannot fail.
            free_.reserve(all_ + count);
        } catch (const std::bad_alloc&) {
            return false;
        }
        const auto block = memory_.take_block();
        if (!block) return false;
        all_ += count;
        for (std::size_t i = count; i-- > 0;) {
            free_.push_back({*block, static_cast<std::uint32_t>(i)});
        }
        return true;
    }

    node::JobMemory& memory_;
    std::size_t places_, bytes_;
    std::vector<ControlName> free_;
    std::size_t all_ = 0;
};

static_assert(sizeof(Control) + 2 * node::max_ranks * sizeof(WaiterPlace) <= node::block_bytes);

}  // namespace onecopy::windows
