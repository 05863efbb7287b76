// What the members of a communicator show each other while they make its collective calls: a board
// each, written by its member alone and read by all.
//
// A member numbers its calls; all members make the same ones, so the numbers agree. Call c uses
// slot c % call_slots of the boards.
//
//   slot.call      the number of the call that was posted, and by how much `finished` was behind it
//                  then; stored behind the slot's other bytes (seq_cst, since whoever waits for it
//                  may be about to sleep); loaded by the others (acquire): they see the bytes then
//   finished       all calls below are over here: their slots, and this member's memory, are not
//                  looked at any more (release; acquire). A member uses a slot again when everybody
//                  has finished the call before that was in it.
//   awaits         whom the member is about to sleep for (seq_cst both): see Group::announce()
//   trouble        once not 0, the communicator is of no more use, and why (seq_cst)
//   frame.word     of the large call at work: its frame's number, and the phase that is complete
//                  (seq_cst; acquire). It only goes up.
//
// All are zero at first, also on a block that another communicator had before, and no call has the
// number 0. Numbers are of 64 bits: none ever comes again, so what a member posted long ago is not
// taken for what is waited for. A board can be read until all members have gone, see
// node/communicator_blocks.hpp: its own may be the first. Explored by
// tests/model/board_model_test.cpp.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "collectives/sizes.hpp"
#include "node/atomic.hpp"
#include "node/job_memory.hpp"
#include "node/schedules.hpp"

namespace onecopy::collectives {

/// One call's. Not a power of two, so that they do not all fall on the same lines of a cache.
struct alignas(64) Slot {
    node::Atomic<std::uint64_t> call;      ///< see posted()
    node::Plain<std::uint64_t> signature;  ///< of what the call is: see Call::signature()
    std::array<std::byte, slot_data_bytes> data;
};
static_assert(sizeof(Slot) % 64 == 0 && sizeof(Slot) == 16 + slot_data_bytes);

/// In Slot::call: calls that are begun are few, so how far the member is behind fits beside.
inline constexpr unsigned behind_bits = 8;
constexpr std::uint64_t posted(std::uint64_t call, std::uint64_t finished) noexcept {
    return call << behind_bits | (call - finished);
}
constexpr std::uint64_t call_in(std::uint64_t posted) noexcept { return posted >> behind_bits; }
constexpr std::uint64_t finished_in(std::uint64_t posted) noexcept {
    return call_in(posted) - (posted & ((std::uint64_t{1} << behind_bits) - 1));
}

/// In a slot's data for a large call.
struct Published {
    std::uint64_t from, to;
    std::uint32_t flags;
};
/// All that others touch of the member's memory can be mapped, and it can map all that it touches.
inline constexpr std::uint32_t mapped_flag = 1;
/// Its results lie where its contribution does.
inline constexpr std::uint32_t in_place_flag = 2;

struct alignas(64) Frame {
    node::Atomic<std::uint64_t> word;
};
/// A member's phases as they are published: the last one stands for whatever comes after.
inline constexpr std::uint32_t done_phase = 0x7fff;

struct Board {
    alignas(64) node::Atomic<std::uint64_t> finished;
    alignas(64) node::Atomic<std::uint32_t> awaits;
    node::Atomic<std::uint64_t> trouble;
    /// The first of the blocks of the frames' bytes, one behind the other, counted from 1.
    node::Plain<std::uint32_t> frame_blocks;
    std::array<Frame, frame_slots> frames;
    std::array<Slot, call_slots> slots;
};
static_assert(sizeof(Board) <= node::block_bytes);

/// In Board::awaits: nobody, everybody, or a member, counted from 1.
inline constexpr std::uint32_t awaits_nobody = 0;
inline constexpr std::uint32_t awaits_all = ~std::uint32_t{0};

/// Where the members' boards are: block numbers counted from 1, by member.
struct BoardTable {
    std::array<node::Atomic<std::uint32_t>, node::max_ranks> blocks;
    /// What large calls go by. Written by member 0 before it stores its block (seq_cst), and not
    /// again; read by whoever has found member 0's slot of a call.
    node::ScheduleTable schedules;
};
static_assert(sizeof(BoardTable) <= node::block_bytes);
/// In the table: the member found no memory for its board, or for what it needs beside it. It
/// stays.
inline constexpr std::uint32_t no_board = ~std::uint32_t{0};

}  // namespace onecopy::collectives
