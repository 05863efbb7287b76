// Large messages whose memory the receiver cannot map: through slots that stay in the caches, both
// sides copying at once; or by system calls, which need nobody's help.
//
// The receiver takes pieces by system calls until the sender comes, who takes over all the rest: it
// fills slot after slot, the receiver empties them. A sender that has to go gives back what it has
// not pushed. So nobody ever waits for one who is not there. Each byte is claimed once, by one of
// the two (Handoff::next), or given back once.
//
// The slots are the receiver's, who opens them when it has the announcement; or those of a sender
// that waits anyway, and then the first are full before the announcement is read.
#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "node/endpoint.hpp"
#include "os/errors.hpp"
#include "os/own_memory.hpp"

namespace onecopy::node {
namespace {

/// What the receiver takes by one system call while the sender may still come.
constexpr std::uint64_t call_bytes = std::uint64_t{64} << 10;

/// What the sender claims at a time, and asks the kernel about.
constexpr std::uint64_t push_bytes = std::uint64_t{4} << 20;

/// The question whether memory can be read or written takes as long as copying some tens of
/// kilobytes: up to here a bad address is a signal, as it is where messages go through the ring.
constexpr std::uint64_t trusted_bytes = std::uint64_t{64} << 10;

/// Rounds that the receiver leaves to a sender which is in the library: it comes within a fraction
/// of a microsecond, a system call takes more than one.
constexpr int rounds_for_the_sender = 400;

/// Short messages in shorter slots, so that both are at work.
std::uint64_t slot_bytes_for(std::uint64_t bytes, const Ways& ways) noexcept {
    constexpr std::uint64_t least = 4096;
    return std::clamp<std::uint64_t>(bytes / 4 / least * least, least, ways.slot_bytes);
}

/// Walks over up to `bytes` of a list.
template <class Visit>
void each_run(Place<Segment>& place, std::uint64_t bytes, const Visit& visit) noexcept {
    plan::Cursor cursor = place.cursor();
    for (std::uint64_t done = 0; done < bytes;) {
        const plan::Run run = cursor.run();
        const std::uint64_t part = std::min(run.bytes, bytes - done);
        visit(reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(run.address)), done,
              static_cast<std::size_t>(part));
        cursor.advance(part);
        done += part;
    }
    place.seek(place.at() + bytes);
}

/// Stages that a rank has at the most: more large messages at a time are fetched by calls.
constexpr std::size_t most_stages = 4;

}  // namespace

/// What was good a while ago is not asked about again: a program that sends from memory which it
/// has unmapped since gets its signal.
bool Endpoint::is_accessible(Place<Segment> place, std::uint64_t bytes, os::Touch how) noexcept {
    bool good = true;
    each_run(place, bytes, [&](const std::byte* from, std::uint64_t /*done*/, std::size_t part) {
        const auto begin = reinterpret_cast<std::uintptr_t>(from);
        const bool known = std::any_of(good_.begin(), good_.end(), [&](const GoodRun& each) {
            return each.how == how && each.begin <= begin && begin + part <= each.end;
        });
        if (known || !good) return;
        good = os::accessible(from, part, how) == part;
        if (good) good_[next_good_++ % good_.size()] = {begin, begin + part, how};
    });
    return good;
}

/// Slots that nobody else uses; false: none now.
bool Endpoint::take_stage(StageSlots& slots) noexcept {
    // Those of messages that failed come back when their sender has seen that.
    std::erase_if(lost_stages_, [this](const LostStage& lost) {
        const bool seen =
            handoff(lost.handoff).state.load(std::memory_order_acquire) != HandoffState::done ||
            watch_.stage(lost.rank) != Stage::here;
        if (!seen) return false;
        give_back_stage(lost.slots);
        return true;
    });
    if (free_stages_.empty()) {
        if (stages_made_ == most_stages) return false;
        try {
            free_stages_.reserve(most_stages);
            lost_stages_.reserve(most_stages);
        } catch (const std::bad_alloc&) {
            return false;
        }
        StageSlots made{};
        for (std::uint32_t& each : made) {
            const auto block = memory_.take_block();
            if (!block) return false;
            each = *block;
        }
        ++stages_made_;
        free_stages_.push_back(made);
    }
    slots = free_stages_.back();
    free_stages_.pop_back();
    return true;
}

/// Of one that is over, whoever's turn it was.
void Endpoint::give_back_stage(const StageSlots& slots) noexcept {
    for (const std::uint32_t block : slots) {
        reinterpret_cast<StageSlot*>(memory_.block(block))
            ->full.store(0, std::memory_order_relaxed);
    }
    free_stages_.push_back(slots);  // there is room
}

/// A sender that waits anyway comes with the stage, where the receiver cannot map its memory. With
/// more ranks than cores, too: 16 on 2 cores move 17.6 GB/s so, 7.2 by the receiver's system calls.
void Endpoint::bring_stage(Operation& send, Handoff& shared) noexcept {
    const int to = send.context->member(send.peer);
    if (!send.waits || to == rank_ || is_in_arena(send.memory.list()) ||
        ways_to(to).unmapped_way(send.bytes) != Unmapped::staged) {
        return;
    }
    // One is left for a receive that cannot do without: the messages that these are for may only be
    // received after it.
    if (stages_brought_ + 1 == most_stages) return;
    StageSlots slots{};
    if (!take_stage(slots)) return;
    try {
        pushes_.push_back(&send);
    } catch (const std::bad_alloc&) {
        return free_stages_.push_back(slots);
    }
    ++stages_brought_;
    send.copying->brought = true;
    shared.slots = slots;
    shared.slot_count = ways_to(to).slots;
    node::open_stage(shared, send.bytes, Help::pushing);
}

/// By system calls, until the sender comes with a stage; without one by calls alone. Where calls
/// are refused it waits for a stage.
void Endpoint::begin_unmapped(Operation& receive) noexcept {
    Copying& copying = *receive.copying;
    copying.by_calls = !copying.source.unknown && peers_.may_be_read(copying.source.rank);
    copying.brought = handoff(copying.source.handoff).way() != Help::none;
    // With more ranks than cores a sender that did not bring a stage is not there to push.
    const Unmapped way =
        crowded() ? Unmapped::call : ways_to(copying.source.rank).unmapped_way(copying.wanted);
    if (!copying.brought && copying.by_calls && way == Unmapped::call) return;
    // What cannot be written here would be a signal; the kernel says it.
    Place<Segment> all;
    all.begin(receive.memory.list());
    if (copying.wanted > trusted_bytes && !is_accessible(all, copying.wanted, os::Touch::write)) {
        if (copying.brought || !copying.by_calls) {
            end_copy(receive, Outcome::failed, std::make_error_code(std::errc::bad_address));
        }
        return;
    }
    if (copying.brought) return begin_to_drain(receive);
    if (copying.by_calls && way == Unmapped::both_call) return share(receive, Help::writing);
    if (open_stage(receive, copying.by_calls ? Help::staging : Help::needed)) return;
    if (copying.by_calls) return;
    // Without any there is none to wait for.
    copying.waits_for_stage = stages_made_ > 0;
    if (!copying.waits_for_stage) {
        end_copy(receive, Outcome::failed, os::no_memory());
    }
}

void Endpoint::begin_to_drain(Operation& receive) noexcept {
    Copying& copying = *receive.copying;
    copying.waits_for_stage = false;
    copying.staged = true;
    copying.slots_used = 0;
    copying.staged_at.begin(receive.memory.list());
    copying.patience = rounds_for_the_sender;
}

/// False: none is free.
bool Endpoint::open_stage(Operation& receive, Help way) noexcept {
    Copying& copying = *receive.copying;
    Handoff& shared = handoff(copying.source.handoff);
    StageSlots slots{};
    if (!take_stage(slots)) return false;
    begin_to_drain(receive);
    shared.slots = slots;
    shared.slot_count = ways_to(copying.source.rank).slots;
    node::open_stage(shared, copying.wanted, way);
    if (way == Help::needed) tell(copying.source.rank);
    return true;
}

void Endpoint::close_stage(Operation& receive, Outcome outcome) noexcept {
    const Copying& copying = *receive.copying;
    if (!copying.staged || copying.brought) return;
    const StageSlots& slots = handoff(copying.source.handoff).slots;
    // After an error slots may be full, and their sender still be filling some. (There is room.)
    if (outcome == Outcome::all_right) {
        free_stages_.push_back(slots);
    } else {
        lost_stages_.push_back({slots, copying.source.handoff, copying.source.rank});
    }
}

bool Endpoint::drain(Operation& receive, Handoff& shared) noexcept {
    Copying& copying = *receive.copying;
    return empty_slots(
        copying.slots_used,
        [&](std::uint64_t number) -> StageSlot& { return slot(shared, number); },
        [&](const StageSlot& one) {
            const std::uint64_t offset = one.offset;
            const std::uint64_t bytes = one.bytes;
            copying.moved += bytes;
            counters_.staged_bytes += bytes;
            // A stage that was brought is for all of the message.
            if (offset >= copying.wanted) return;
            copying.staged_at.seek(offset);
            each_run(copying.staged_at, std::min(bytes, copying.wanted - offset),
                     [&](std::byte* to, std::uint64_t done, std::size_t part) {
                         std::memcpy(to, one.data + done, part);
                     });
        });
}

/// Without the sender: true if anything was fetched, the message is over, or it may still come.
bool Endpoint::fetch_staged(Operation& receive, Handoff& shared, std::uint32_t word) noexcept {
    Copying& copying = *receive.copying;
    const RankLine& sender = memory_.line(copying.source.rank);
    if (copying.patience > 0 && sender.waiting.load(std::memory_order_relaxed) != 0) {
        --copying.patience;
        return true;  // or it would fall asleep over the last of them
    }
    if (!copying.by_calls) {
        if (ask_for_pushing(shared, word)) tell(copying.source.rank);
        return false;
    }
    const Range range = next_by_call(shared, word, call_bytes);
    copying.moved += range.end - range.begin;
    const std::uint64_t end = std::min(range.end, copying.wanted);
    if (range.begin < end) {
        copying.to.seek(range.begin);
        copying.from.seek(range.begin);
    }
    for (std::uint64_t at = range.begin; at < end;) {
        const Transfer moved = copy_some(receive, end - at);
        at += moved.bytes;
        if (!moved.error) continue;
        if (moved.error == std::errc::operation_not_permitted) {
            peers_.forbid_reading(copying.source.rank);
        }
        end_copy(receive, Outcome::failed, moved.error);
        return true;
    }
    return range.begin < range.end;
}

bool Endpoint::step_staged(Operation& receive) noexcept {
    Copying& copying = *receive.copying;
    Handoff& shared = handoff(copying.source.handoff);
    bool any = drain(receive, shared);
    const std::uint32_t word = shared.help.load(std::memory_order_acquire);
    const Help way = way_of(word);
    if (any) {
        tell(copying.source.rank);
    } else if (way == Help::staging) {
        any = fetch_staged(receive, shared, word);
        if (receive.done()) return true;
    }
    if (copying.moved == shared.bytes) {
        end_copy(receive, Outcome::all_right, {});
        return true;
    }
    if (way == Help::needed && !any && shared.spoiled.load(std::memory_order_acquire) != 0) {
        end_copy(receive, Outcome::failed, std::make_error_code(std::errc::bad_address));
        return true;
    }
    return any || look_for_its_sender(receive);
}

/// Ends it if who would have to go on is gone.
bool Endpoint::look_for_its_sender(Operation& receive) noexcept {
    if (watch_.stage(receive.copying->source.rank) == Stage::here) return false;
    end_copy(receive, Outcome::failed, Errc::peer_died);
    return true;
}

/// A page that cannot be read would be a signal here. The receiver is told by the kernel, so it
/// gets the range; where it has nothing but us, we tell it.
void Endpoint::refuse_to_push(Operation& send, Handoff& shared) noexcept {
    send.copying->unreadable = true;
    shared.spoiled.store(1, std::memory_order_seq_cst);
    tell(send.context->member(send.peer));
    stop_pushing();
}

bool Endpoint::push(Operation& send, Handoff& shared) noexcept {
    Copying& copying = *send.copying;
    if (copying.unreadable) return false;
    const std::uint32_t word = shared.help.load(std::memory_order_acquire);
    if (way_of(word) == Help::staging) {
        // Not from a call that only looks: it would be gone before the first slot is empty again.
        if (waiting_ == 0 || is_anything_left(shared)) return false;
        try {
            pushes_.push_back(&send);
        } catch (const std::bad_alloc&) {
            return false;
        }
        begin_to_push(shared, word);
    }
    if (!copying.staged) {
        copying.staged = true;
        copying.slots_used = 0;
        copying.push_end = copying.left_end = 0;
        copying.staged_at.begin(send.memory.list());
    } else if (way_of(word) == Help::needed && copying.left_end > 0) {
        copying.staged_at.seek(take_back(shared, copying.left_end));
        copying.push_end = std::exchange(copying.left_end, 0);
    }
    const Pushed pushed = fill_slots(
        shared, copying.staged_at, copying.push_end, copying.slots_used, push_bytes,
        slot_bytes_for(shared.bytes, ways_to(send.context->member(send.peer))),
        [&](std::uint64_t number) -> StageSlot& { return slot(shared, number); },
        [&](std::uint64_t bytes) {
            return shared.bytes <= trusted_bytes ||
                   is_accessible(copying.staged_at, bytes, os::Touch::read);
        },
        [&](StageSlot& one, std::uint64_t bytes) {
            each_run(copying.staged_at, bytes,
                     [&](const std::byte* from, std::uint64_t done, std::size_t part) {
                         std::memcpy(one.data + done, from, part);
                     });
            counters_.helped_bytes += bytes;
        });
    if (pushed == Pushed::refused) {
        refuse_to_push(send, shared);
        return true;
    }
    if (pushed == Pushed::nothing) return false;
    tell(send.context->member(send.peer));
    return true;
}

/// Leaves what was claimed and not pushed to the receivers: nobody knows when we come again.
void Endpoint::stop_pushing() noexcept {
    for (Operation* const send : pushes_) {
        if (send->progress != Progress::offered) continue;
        Copying& copying = *send->copying;
        Handoff& shared = handoff(copying.handoff);
        // Nobody else can.
        if (shared.way() != Help::pushing) continue;
        if (!copying.staged) copying.staged_at.begin(send->memory.list());
        const std::uint64_t at = copying.staged_at.at();
        copying.left_end = std::max(copying.push_end, at);
        leave(shared, at, copying.push_end);
        copying.push_end = at;
        tell(send->context->member(send->peer));
    }
    pushes_.clear();
}

}  // namespace onecopy::node
