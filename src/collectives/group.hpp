// A communicator's members as its collective calls see them: their boards, who is how far, and
// whether anything is wrong.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <vector>

#include "collectives/board.hpp"
#include "collectives/fold.hpp"
#include "collectives/places.hpp"
#include "collectives/plan.hpp"
#include "node/endpoint.hpp"

namespace onecopy::collectives {

/// What a step of a call has found.
enum class Look : std::uint8_t { ready, not_yet, failed };

/// One for each communicator of this process, from its first call until it is closed and the calls
/// that were begun are over. Under the endpoint's lock.
class Group {
public:
    /// Throws std::bad_alloc: see refuse().
    Group(node::Endpoint& endpoint, node::Context& context);
    /// In the place of a member that found no memory for one: tells the others, who would wait for
    /// its calls. It is final; one that is made later is broken.
    static void refuse(node::Endpoint& endpoint, const node::Context& context) noexcept;

    [[nodiscard]] node::Endpoint& endpoint() const noexcept { return endpoint_; }
    [[nodiscard]] node::Context& context() const noexcept { return context_; }
    [[nodiscard]] int rank() const noexcept { return rank_; }
    [[nodiscard]] int size() const noexcept { return size_; }
    /// Why no call can be begun; empty: it can.
    [[nodiscard]] std::error_code broken() noexcept;

    /// The number of the next call.
    std::uint64_t begin() noexcept {
        ++open_;
        return next_++;
    }
    /// Whether its slot here may be written: everybody has finished with what was in it.
    Look slot_is_free(std::uint64_t call) noexcept {
        return call < free_until_ ? Look::ready : look_for_a_free_slot(call);
    }
    /// The slot of a call here; to be filled, and then posted.
    Slot& own_slot(std::uint64_t call) noexcept { return own_->slots[call % call_slots]; }
    void post(std::uint64_t call, std::uint64_t signature) noexcept {
        Slot& slot = own_slot(call);
        slot.signature = signature;
        slot.call.store(posted(call, finished_), std::memory_order_seq_cst);
        announce();
    }
    /// Looks for the slot of a member that has posted the call. Failed: see failure().
    Look find(int member, std::uint64_t call, std::uint64_t signature, const Slot*& slot) noexcept {
        const auto place = static_cast<std::size_t>(member);
        if (boards_[place] != nullptr) {
            slot = &boards_[place]->slots[call % call_slots];
            const std::uint64_t seen = slot->call.load(std::memory_order_acquire);
            if (call_in(seen) == call) {
                known_finished_[place] = finished_in(seen);
                return slot->signature == signature ? Look::ready : mismatch();
            }
        }
        return look_again(member, call, signature, slot);
    }
    /// Of a member whose slot of the call was found.
    [[nodiscard]] const Slot& slot_of(int member, std::uint64_t call) const noexcept {
        return boards_[static_cast<std::size_t>(member)]->slots[call % call_slots];
    }
    /// Looks whether a member has completed a phase of a frame.
    Look has_completed(int member, std::uint64_t frame, std::uint32_t phase) noexcept;
    /// Whether its slot may be written: whoever has read the frame that was in it before has done
    /// with that.
    Look frame_is_free(std::uint64_t frame) noexcept;
    /// The bytes of a frame's slot of a member whose slot of a call was found.
    [[nodiscard]] std::byte* frame_bytes(int member, std::uint64_t frame) const noexcept;
    [[nodiscard]] bool has_frame_memory() noexcept;
    void complete(std::uint64_t frame, std::uint32_t phase) noexcept {
        own_->frames[frame % frame_slots].word.store(word_of(frame, phase),
                                                     std::memory_order_seq_cst);
        announce();
    }

    /// The call is over here.
    void finish(std::uint64_t call) noexcept;

    /// Why something failed.
    [[nodiscard]] const std::error_code& failure() const noexcept { return failure_; }
    /// Says so to all the others, once.
    void fail(std::error_code error) noexcept;
    /// After fail(): whether none of the others still works on the call with this one's memory.
    [[nodiscard]] bool nobody_is_in(std::uint64_t call) noexcept;

    /// While somebody is about to sleep for this group's calls.
    void begin_to_wait() noexcept { ++waiting_; }
    void end_to_wait() noexcept {
        if (--waiting_ == 0) await(awaits_nobody);
    }

    /// Whether a member has made its first call.
    Look has_come(int member) noexcept;
    /// Whether any has called fail().
    bool somebody_has_failed() noexcept;
    /// What all members go by; once member 0's slot of any call was found.
    [[nodiscard]] const node::ScheduleTable& schedules() const noexcept {
        return table_->schedules;
    }
    /// For tests, when none is at work: as if so many calls had been made, by all members.
    void skip_calls(std::uint64_t calls) noexcept;
    [[nodiscard]] Plans& plans() noexcept { return plans_; }
    /// Once everybody has come. Throws std::bad_alloc.
    [[nodiscard]] Places& places();
    /// Large calls by the form of their schedule: what tests ask.
    std::array<std::uint64_t, 4> calls_by_form{};
    [[nodiscard]] Tiles& tiles() noexcept { return tiles_; }

    /// Numbers for the frames of a large call, which come one after the other.
    std::uint64_t take_frames(std::uint64_t count) noexcept {
        const std::uint64_t first = next_frame_;
        next_frame_ += count;
        return first;
    }
    /// Large calls do their frames in the order of the calls.
    std::uint32_t large_begun = 0, large_over = 0;

    /// A frame holds what a member shows of one window, and partial results of it.
    static constexpr std::uint32_t blocks_of_frame = node::blocks_of_frames / frame_slots;
    static constexpr std::size_t frame_bytes_each = blocks_of_frame * node::block_bytes;

private:
    static constexpr std::uint64_t word_of(std::uint64_t frame, std::uint32_t phase) noexcept {
        return frame << 16 | (phase + 1);
    }

    /// Rings whoever sleeps for us.
    void announce() noexcept {
        for (int member = 0; member < size_; ++member) {
            if (member != rank_) announce_to(member);
        }
    }
    void announce_to(int member) noexcept {
        const Board* const board = board_of(member);
        if (board == nullptr) return;
        const std::uint32_t awaited = board->awaits.load(std::memory_order_seq_cst);
        if (awaited == awaits_all || awaited == static_cast<std::uint32_t>(rank_) + 1) {
            endpoint_.tell(context_.member(member));
        }
    }
    void await(std::uint32_t whom) noexcept {
        if (awaited_ == whom) return;
        awaited_ = whom;
        own_->awaits.store(whom, std::memory_order_seq_cst);
    }
    /// Before a last look at what a member has stored.
    void about_to_wait_for(int member) noexcept {
        if (waiting_ == 0) return;
        await(open_ > 1 ? awaits_all : static_cast<std::uint32_t>(member) + 1);
    }
    Board* board_of(int member) noexcept {
        const auto place = static_cast<std::size_t>(member);
        return boards_[place] != nullptr ? boards_[place] : seek_board(member);
    }
    Board* seek_board(int member) noexcept;
    bool make_board() noexcept;
    Look look_for_a_free_slot(std::uint64_t call) noexcept;
    Look look_again(int member, std::uint64_t call, std::uint64_t signature,
                    const Slot*& slot) noexcept;
    /// Of a member that is waited for.
    Look still_there(int member) noexcept;
    Look mismatch() noexcept;

    node::Endpoint& endpoint_;
    node::Context& context_;
    int rank_, size_;
    std::shared_ptr<node::CommunicatorBlocks> blocks_;
    BoardTable* table_ = nullptr;
    Board* own_ = nullptr;
    std::vector<Board*> boards_;                 // by member; null: not known yet
    std::vector<std::uint64_t> known_finished_;  // by member: at least
    std::uint64_t next_ = 1;
    std::uint64_t finished_ = 1;    // all calls below are over here
    std::uint64_t free_until_ = 0;  // calls below may use their slots
    std::uint32_t over_ = 0;        // calls from `finished_` on, a bit each: over
    std::uint32_t open_ = 0;        // calls begun and not over
    std::uint32_t waiting_ = 0;
    std::uint32_t awaited_ = awaits_nobody;
    std::uint64_t next_frame_ = 1;
    std::optional<Places> places_;  // before whatever of it is in plans
    Plans plans_;
    Tiles tiles_;
    std::error_code failure_;
    std::error_code why_;  // what still_there() has found
};

}  // namespace onecopy::collectives
