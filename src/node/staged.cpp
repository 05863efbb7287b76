// Large messages whose memory the receiver cannot map: through slots that stay in the caches, both
// sides copying at once; or by system calls, which need nobody's help.
//
// The receiver takes pieces by system calls until the sender comes, who takes over all the rest: it
// fills slot after slot, the receiver empties them. A sender that has to go gives back what it has
// not pushed. So nobody ever waits for one who is not there. Each byte is claimed once, by one of
// the two (Handoff::next), or given back once.
#include <algorithm>
#include <cstring>
#include <new>

#include "node/endpoint.hpp"
#include "os/own_memory.hpp"

namespace onecopy::node {
namespace {

/// What the receiver takes by one system call while the sender may still come.
constexpr std::uint64_t call_bytes = std::uint64_t{64} << 10;

/// What the sender claims at a time.
constexpr std::uint64_t push_bytes = std::uint64_t{256} << 10;

/// Rounds that the receiver leaves to a sender which is in the library: it comes within a fraction
/// of a microsecond, a system call takes more than one.
constexpr int rounds_for_the_sender = 400;

/// Short messages in shorter slots, so that both are at work.
std::uint64_t slot_bytes_for(std::uint64_t bytes) noexcept {
    constexpr std::uint64_t least = 4096;
    return std::clamp<std::uint64_t>(bytes / 8 / least * least, least, StageSlot::bytes_at_most);
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

bool is_accessible(Place<Segment> place, std::uint64_t bytes, os::Touch how) noexcept {
    bool good = true;
    each_run(place, bytes, [&](const std::byte* from, std::uint64_t /*done*/, std::size_t part) {
        good = good && os::accessible(from, part, how) == part;
    });
    return good;
}

/// Stages that a rank has at the most: more large messages at a time are fetched by calls.
constexpr std::size_t most_stages = 4;

}  // namespace

/// Slots that nobody else uses; false: none now.
bool Endpoint::take_stage(StageSlots& slots) noexcept {
    // Those of messages that failed come back when their sender has seen that.
    std::erase_if(lost_stages_, [this](const LostStage& lost) {
        const bool seen =
            handoff(lost.handoff).state.load(std::memory_order_acquire) != HandoffState::done ||
            watch_.stage(lost.rank) != Stage::here;
        if (!seen) return false;
        for (const std::uint32_t block : lost.slots) {
            reinterpret_cast<StageSlot*>(memory_.block(block))
                ->full.store(0, std::memory_order_relaxed);
        }
        free_stages_.push_back(lost.slots);
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

/// By system calls, until the sender comes with a stage; without one by calls alone. Where calls
/// are refused it waits for a stage.
void Endpoint::begin_unmapped(Operation& receive) noexcept {
    const bool by_calls =
        !receive.copying->source.unknown && peers_.may_be_read(receive.copying->source.rank);
    // With more ranks than cores, two that copy for each other only take each other's core.
    if (by_calls && crowded()) return;
    // What cannot be written here would be a signal; the kernel says it.
    Place<Segment> all;
    all.begin(receive.memory.list());
    if (!is_accessible(all, receive.copying->wanted, os::Touch::write)) {
        if (!by_calls) {
            end_copy(receive, Outcome::failed, std::make_error_code(std::errc::bad_address));
        }
        return;
    }
    if (!open_stage(receive, by_calls ? Help::staging : Help::needed)) {
        receive.copying->waits_for_stage = !by_calls;
    }
}

/// False: none is free.
bool Endpoint::open_stage(Operation& receive, Help way) noexcept {
    Handoff& shared = handoff(receive.copying->source.handoff);
    StageSlots slots{};
    if (!take_stage(slots)) return false;
    shared.slots = slots;
    receive.copying->waits_for_stage = false;
    receive.copying->staged = true;
    receive.copying->slots_used = 0;
    receive.copying->staged_at.begin(receive.memory.list());
    receive.copying->patience = rounds_for_the_sender;
    node::open_stage(shared, receive.copying->wanted, way);
    if (way == Help::needed) tell(receive.copying->source.rank);
    return true;
}

void Endpoint::close_stage(Operation& receive, Outcome outcome) noexcept {
    if (!receive.copying->staged) return;
    const StageSlots& slots = handoff(receive.copying->source.handoff).slots;
    // After an error slots may be full, and their sender still be filling some. (There is room.)
    if (outcome == Outcome::all_right) {
        free_stages_.push_back(slots);
    } else {
        lost_stages_.push_back(
            {slots, receive.copying->source.handoff, receive.copying->source.rank});
    }
}

bool Endpoint::drain(Operation& receive, Handoff& shared) noexcept {
    return empty_slots(
        receive.copying->slots_used,
        [&](std::uint64_t number) -> StageSlot& { return slot(shared, number); },
        [&](const StageSlot& one) {
            receive.copying->staged_at.seek(one.offset);
            each_run(receive.copying->staged_at, one.bytes,
                     [&](std::byte* to, std::uint64_t done, std::size_t bytes) {
                         std::memcpy(to, one.data + done, bytes);
                     });
            receive.copying->moved += one.bytes;
            counters_.staged_bytes += one.bytes;
        });
}

bool Endpoint::step_staged(Operation& receive) noexcept {
    Handoff& shared = handoff(receive.copying->source.handoff);
    bool any = drain(receive, shared);
    const std::uint32_t word = shared.help.load(std::memory_order_acquire);
    const Help way = way_of(word);
    if (any) {
        tell(receive.copying->source.rank);
    } else if (way == Help::staging) {
        const RankLine& sender = memory_.line(receive.copying->source.rank);
        if (receive.copying->patience > 0 && sender.waiting.load(std::memory_order_relaxed) != 0) {
            --receive.copying->patience;
            return false;
        }
        const Range range = next_by_call(shared, word, call_bytes);
        if (range.begin < range.end) {
            receive.copying->to.seek(range.begin);
            receive.copying->from.seek(range.begin);
        }
        for (std::uint64_t at = range.begin; at < range.end;) {
            const Transfer moved = copy_some(receive, range.end - at);
            at += moved.bytes;
            receive.copying->moved += moved.bytes;
            if (!moved.error) continue;
            if (moved.error == std::errc::operation_not_permitted) {
                peers_.forbid_reading(receive.copying->source.rank);
            }
            end_copy(receive, Outcome::failed, moved.error);
            return true;
        }
        any = range.begin < range.end;
    }
    if (receive.copying->moved == receive.copying->wanted) {
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
    if (send.copying->unreadable) return false;
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
    if (!send.copying->staged) {
        send.copying->staged = true;
        send.copying->slots_used = 0;
        send.copying->push_end = 0;
        send.copying->staged_at.begin(send.memory.list());
    }
    const Pushed pushed = fill_slots(
        shared, send.copying->staged_at, send.copying->push_end, send.copying->slots_used,
        push_bytes, slot_bytes_for(shared.bytes),
        [&](std::uint64_t number) -> StageSlot& { return slot(shared, number); },
        [&](std::uint64_t bytes) {
            return is_accessible(send.copying->staged_at, bytes, os::Touch::read);
        },
        [&](StageSlot& one, std::uint64_t bytes) {
            each_run(send.copying->staged_at, bytes,
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
        Handoff& shared = handoff(send->copying->handoff);
        const std::uint64_t at = send->copying->staged_at.at();
        leave(shared, at, send->copying->push_end);
        send->copying->push_end = at;
        tell(send->context->member(send->peer));
    }
    pushes_.clear();
}

}  // namespace onecopy::node
