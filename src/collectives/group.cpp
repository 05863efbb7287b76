#include "collectives/group.hpp"

#include <algorithm>
#include <new>

#include "onecopy/error.hpp"
#include "os/errors.hpp"

namespace onecopy::collectives {
namespace {

using node::Stage;

/// In Board::trouble: an error of ours, or the kernel's.
constexpr std::uint64_t kernels = std::uint64_t{1} << 32;
std::uint64_t trouble_of(const std::error_code& error) noexcept {
    const auto value = static_cast<std::uint32_t>(error.value());
    return error.category() == onecopy_category() ? value : kernels | value;
}
std::error_code error_of(std::uint64_t trouble) noexcept {
    const auto value = static_cast<int>(static_cast<std::uint32_t>(trouble));
    if ((trouble & kernels) != 0) return {value, std::generic_category()};
    return static_cast<Errc>(value);
}

template <class T>
void set_zero(node::Atomic<T>& word) noexcept {
    word.store(0, std::memory_order_relaxed);
}

/// What must be zero before others see it, on a block that was used before.
void clear(Board& board) noexcept {
    set_zero(board.finished);
    set_zero(board.awaits);
    set_zero(board.trouble);
    board.frame_blocks = 0;
    for (Frame& frame : board.frames) set_zero(frame.word);
    for (Slot& slot : board.slots) set_zero(slot.call);
}

/// Where the boards of this communicator are; null: there is no memory.
BoardTable* table_of(node::JobMemory& memory, node::CommunicatorBlocks& blocks, int size) noexcept {
    const auto at = [&](std::uint32_t block) {
        return reinterpret_cast<BoardTable*>(memory.block(block));
    };
    const auto block = blocks.table([&](std::uint32_t used) {
        for (int i = 0; i < size; ++i) set_zero(at(used)->blocks[static_cast<std::size_t>(i)]);
    });
    return block ? at(*block) : nullptr;
}

}  // namespace

Group::Group(node::Endpoint& endpoint, node::Context& context)
    : endpoint_(endpoint),
      context_(context),
      rank_(context.rank()),
      size_(context.size()),
      blocks_(context.blocks),
      boards_(static_cast<std::size_t>(size_)),
      known_finished_(static_cast<std::size_t>(size_), 1) {
    if (!make_board()) failure_ = os::no_memory();
}

bool Group::make_board() noexcept {
    if (!blocks_) return false;
    node::JobMemory& memory = endpoint_.memory();
    table_ = table_of(memory, *blocks_, size_);
    if (table_ == nullptr) return false;
    const auto place = static_cast<std::size_t>(rank_);
    node::Atomic<std::uint32_t>& own = table_->blocks[place];
    if (own.load(std::memory_order_relaxed) == no_board) return false;  // as the others know
    const auto run = blocks_->take(node::CommunicatorBlocks::Length::block);
    if (run) {
        own_ = reinterpret_cast<Board*>(memory.block(run->first));
        if (run->used) clear(*own_);
        own_->finished.store(finished_, std::memory_order_relaxed);
        boards_[place] = own_;
        free_until_ = finished_ + call_slots;
    }
    if (rank_ == 0) {
        table_->schedules =
            endpoint_.schedules()[static_cast<std::size_t>(node::company_of(size_))];
    }
    own.store(run ? run->first + 1 : no_board, std::memory_order_seq_cst);
    for (const int member : context_.members()) endpoint_.tell(member);
    return run.has_value();
}

void Group::refuse(node::Endpoint& endpoint, const node::Context& context) noexcept {
    if (!context.blocks) return;
    BoardTable* const table = table_of(endpoint.memory(), *context.blocks, context.size());
    if (table == nullptr) return;  // nobody finds one
    table->blocks[static_cast<std::size_t>(context.rank())].store(no_board,
                                                                  std::memory_order_seq_cst);
    for (const int member : context.members()) endpoint.tell(member);
}

std::error_code Group::broken() noexcept {
    if (failure_) return failure_;
    return context_.broken;
}

/// Of who has come. (Seen as null, it has not posted anything yet when it was looked for.)
Board* Group::seek_board(int member) noexcept {
    const std::uint32_t place =
        table_->blocks[static_cast<std::size_t>(member)].load(std::memory_order_seq_cst);
    if (place == 0 || place == no_board) return nullptr;
    Board* const board = reinterpret_cast<Board*>(endpoint_.memory().block(place - 1));
    boards_[static_cast<std::size_t>(member)] = board;
    return board;
}

Look Group::has_come(int member) noexcept {
    if (board_of(member) != nullptr) return Look::ready;
    about_to_wait_for(member);
    const Look there = still_there(member);
    if (board_of(member) != nullptr) return Look::ready;
    if (there == Look::failed && !failure_) fail(why_);
    return there;
}

bool Group::somebody_has_failed() noexcept {
    if (failure_) return true;
    for (int member = 0; member < size_; ++member) {
        const Board* const board = board_of(member);
        if (board == nullptr || member == rank_) continue;
        const std::uint64_t trouble = board->trouble.load(std::memory_order_seq_cst);
        if (trouble == 0) continue;
        fail(error_of(trouble));
        return true;
    }
    return false;
}

Places& Group::places() {
    if (!places_) {
        std::vector<os::CpuPlace> all;
        all.reserve(static_cast<std::size_t>(size_));
        for (const int member : context_.members()) {
            all.push_back(endpoint_.memory().line(member).place);
        }
        places_.emplace(all);
    }
    return *places_;
}

Look Group::look_for_a_free_slot(std::uint64_t call) noexcept {
    std::uint64_t least = finished_;
    int slowest = rank_;
    const auto look = [&](int member) {
        const auto place = static_cast<std::size_t>(member);
        if (known_finished_[place] + call_slots > call) return;
        Board* const board = board_of(member);
        if (board == nullptr) return;
        const std::uint64_t finished = board->finished.load(std::memory_order_seq_cst);
        if (known_finished_[place] < finished) known_finished_[place] = finished;
    };
    for (int member = 0; member < size_; ++member) {
        if (member == rank_) continue;
        look(member);
        if (known_finished_[static_cast<std::size_t>(member)] < least) {
            least = known_finished_[static_cast<std::size_t>(member)];
            slowest = member;
        }
    }
    free_until_ = least + call_slots;
    if (call < free_until_) return Look::ready;
    if (slowest == rank_) return failure_ ? Look::failed : Look::not_yet;
    about_to_wait_for(slowest);
    const Look there = still_there(slowest);
    look(slowest);
    const bool free = known_finished_[static_cast<std::size_t>(slowest)] + call_slots > call;
    if (free) return look_for_a_free_slot(call);
    if (there == Look::failed && !failure_) fail(why_);
    return there;
}

Look Group::look_again(int member, std::uint64_t call, std::uint64_t signature,
                       const Slot*& slot) noexcept {
    about_to_wait_for(member);
    // First: it may have posted the call, and have left since.
    const Look there = still_there(member);
    const Board* const board = board_of(member);
    if (board != nullptr) {
        slot = &board->slots[call % call_slots];
        const std::uint64_t seen = slot->call.load(std::memory_order_seq_cst);
        if (call_in(seen) == call) {
            known_finished_[static_cast<std::size_t>(member)] = finished_in(seen);
            return slot->signature == signature ? Look::ready : mismatch();
        }
    }
    if (there == Look::failed && !failure_) fail(why_);
    return there;
}

Look Group::has_completed(int member, std::uint64_t frame, std::uint32_t phase) noexcept {
    // (Its slot of the call was found, so its board is known.)
    const Board& board = *boards_[static_cast<std::size_t>(member)];
    const node::Atomic<std::uint64_t>& word = board.frames[frame % frame_slots].word;
    const std::uint64_t wanted = word_of(frame, phase);
    if (word.load(std::memory_order_acquire) >= wanted) return Look::ready;
    // Of the windows at work each may wait for another member.
    if (waiting_ > 0) await(awaits_all);
    const Look there = still_there(member);
    if (word.load(std::memory_order_seq_cst) >= wanted) return Look::ready;
    if (there == Look::failed && !failure_) fail(why_);
    return there;
}

Look Group::frame_is_free(std::uint64_t frame) noexcept {
    if (frame <= frame_slots) return Look::ready;
    for (int i = 1; i < size_; ++i) {
        const Look look = has_completed((rank_ + i) % size_, frame - frame_slots, done_phase);
        if (look != Look::ready) return look;
    }
    return Look::ready;
}

Look Group::still_there(int member) noexcept {
    if (failure_) return Look::failed;
    why_ = {};
    if (context_.broken) {
        why_ = context_.broken;
    } else if (const Board* const board = board_of(member)) {
        const std::uint64_t trouble = board->trouble.load(std::memory_order_seq_cst);
        if (trouble != 0) why_ = error_of(trouble);
    } else if (table_->blocks[static_cast<std::size_t>(member)].load(std::memory_order_seq_cst) ==
               no_board) {
        why_ = os::no_memory();
    }
    if (!why_ && endpoint_.has_seen_departures() &&
        endpoint_.stage_of(context_.member(member)) != Stage::here) {
        why_ = Errc::peer_left;
    }
    return why_ ? Look::failed : Look::not_yet;
}

Look Group::mismatch() noexcept {
    fail(Errc::mismatch);
    return Look::failed;
}

void Group::fail(std::error_code error) noexcept {
    if (failure_) return;
    failure_ = error;
    if (own_ == nullptr) return;
    own_->trouble.store(trouble_of(error), std::memory_order_seq_cst);
    // Whoever they wait for.
    for (const int member : context_.members()) endpoint_.tell(member);
}

bool Group::nobody_is_in(std::uint64_t call) noexcept {
    for (int member = 0; member < size_; ++member) {
        if (member == rank_) continue;
        const Board* const board = board_of(member);
        if (board == nullptr || endpoint_.watch().stage(context_.member(member)) != Stage::here) {
            continue;
        }
        if (call_in(board->slots[call % call_slots].call.load(std::memory_order_seq_cst)) != call ||
            board->trouble.load(std::memory_order_seq_cst) != 0 ||
            call < board->finished.load(std::memory_order_seq_cst)) {
            continue;
        }
        if (waiting_ > 0) await(awaits_all);
        return false;
    }
    return true;
}

void Group::finish(std::uint64_t call) noexcept {
    --open_;
    if (failure_) return;  // nobody waits for more than that any longer
    over_ |= std::uint32_t{1} << (call - finished_);
    while ((over_ & 1) != 0) {
        over_ >>= 1;
        ++finished_;
    }
    own_->finished.store(finished_, std::memory_order_seq_cst);
    announce();  // somebody may wait for a slot
}

void Group::skip_calls(std::uint64_t calls) noexcept {
    next_ += calls;
    finished_ += calls;
    free_until_ += calls;
    for (std::uint64_t& finished : known_finished_) finished += calls;
    own_->finished.store(finished_, std::memory_order_seq_cst);
}

bool Group::has_frame_memory() noexcept {
    if (own_->frame_blocks == 0) {
        const auto run = blocks_->take(node::CommunicatorBlocks::Length::frames);
        if (run) own_->frame_blocks = run->first + 1;
    }
    return own_->frame_blocks != 0;
}

std::byte* Group::frame_bytes(int member, std::uint64_t frame) const noexcept {
    const Board& board = *boards_[static_cast<std::size_t>(member)];
    const auto slot = static_cast<std::uint32_t>(frame % frame_slots);
    return endpoint_.memory().block(board.frame_blocks - 1 + slot * blocks_of_frame);
}

}  // namespace onecopy::collectives
