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
    return std::clamp<std::uint64_t>(bytes / 4 / least * least, least, StageSlot::bytes_at_most);
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

bool is_readable(Place<Segment> place, std::uint64_t bytes) noexcept {
    bool good = true;
    each_run(place, bytes, [&](const std::byte* from, std::uint64_t /*done*/, std::size_t part) {
        good = good && os::accessible(from, part, os::Touch::read) == part;
    });
    return good;
}

}  // namespace

void Endpoint::open_stage(Operation& receive, Handoff& shared) noexcept {
    std::error_code error;
    const Process* const process = peers_.process(receive.source.rank, error);
    const bool by_calls = process != nullptr && !process->access();
    // With more ranks than cores, two that copy for each other only take each other's core.
    if (by_calls && crowded()) return;
    try {
        if (free_stages_.empty()) {
            std::array<std::uint32_t, stage_slots> slots{};
            for (std::uint32_t& each : slots) {
                const auto block = memory_.take_block();
                if (!block) return;
                each = *block;
            }
            free_stages_.reserve(free_stages_.size() + 1);
            free_stages_.push_back(slots);
        }
    } catch (const std::bad_alloc&) {
        return;
    }
    shared.slots = free_stages_.back();
    free_stages_.pop_back();
    shared.left_from = shared.left_to = 0;
    shared.bytes = receive.wanted;
    shared.next.store(0, std::memory_order_relaxed);
    receive.staged = true;
    receive.slots_used = 0;
    receive.staged_at.begin(receive.memory.list());
    receive.patience = rounds_for_the_sender;
    shared.help.store(by_calls ? Help::staging : Help::needed, std::memory_order_seq_cst);
    if (!by_calls) memory_.line(receive.source.rank).bell.ring_if_asleep();
}

void Endpoint::close_stage(const Handoff& shared, Outcome outcome) noexcept {
    // After an error slots may be full, and their sender still be filling some.
    if (outcome == Outcome::all_right) free_stages_.push_back(shared.slots);
}

bool Endpoint::drain(Operation& receive, Handoff& shared) noexcept {
    bool any = false;
    for (;;) {
        StageSlot& one = slot(shared, receive.slots_used);
        if (one.full.load(std::memory_order_acquire) == 0) return any;
        receive.staged_at.seek(one.offset);
        each_run(receive.staged_at, one.bytes,
                 [&](std::byte* to, std::uint64_t done, std::size_t bytes) {
                     std::memcpy(to, one.data + done, bytes);
                 });
        receive.moved += one.bytes;
        tally_.staged_bytes += one.bytes;
        one.full.store(0, std::memory_order_seq_cst);
        ++receive.slots_used;
        any = true;
    }
}

bool Endpoint::step_staged(Operation& receive) noexcept {
    Handoff& shared = handoff(receive.source.handoff);
    bool any = drain(receive, shared);
    const Help way = shared.help.load(std::memory_order_acquire);
    if (any) {
        memory_.line(receive.source.rank).bell.ring_if_asleep();
    } else if (way == Help::staging) {
        const RankLine& sender = memory_.line(receive.source.rank);
        if (receive.patience > 0 && sender.waiting.load(std::memory_order_relaxed) != 0) {
            --receive.patience;
            return false;
        }
        std::uint64_t at = 0;
        std::uint64_t bytes = 0;
        if (shared.left_from < shared.left_to) {
            at = shared.left_from;
            bytes = std::min(call_bytes, shared.left_to - at);
            shared.left_from += bytes;
        } else if (at = shared.claim(call_bytes); at < receive.wanted) {
            bytes = std::min(call_bytes, receive.wanted - at);
        }
        receive.to.seek(at);
        receive.from.seek(at);
        for (std::uint64_t done = 0; done < bytes;) {
            const Transfer moved = copy_some(receive, bytes - done);
            done += moved.bytes;
            receive.moved += moved.bytes;
            if (!moved.error) continue;
            end_copy(receive, Outcome::failed, moved.error);
            return true;
        }
        any = bytes > 0;
    }
    if (receive.moved == receive.wanted) {
        end_copy(receive, Outcome::all_right, {});
        return true;
    }
    if (way == Help::needed && !any && shared.spoiled.load(std::memory_order_acquire) != 0) {
        end_copy(receive, Outcome::failed, std::make_error_code(std::errc::bad_address));
        return true;
    }
    if (!any && watch_.stage(receive.source.rank) != Stage::here) {
        end_copy(receive, Outcome::failed, Errc::peer_died);
        return true;
    }
    return any;
}

/// A page that cannot be read would be a signal here. The receiver is told by the kernel, so it
/// gets the range; where it has nothing but us, we tell it.
void Endpoint::refuse_to_push(Operation& send, Handoff& shared) noexcept {
    send.unreadable = true;
    shared.spoiled.store(1, std::memory_order_release);
    stop_pushing();
}

bool Endpoint::push(Operation& send, Handoff& shared) noexcept {
    if (send.unreadable) return false;
    Help way = shared.help.load(std::memory_order_acquire);
    if (way == Help::staging) {
        // Not from a call that only looks: it would be gone before the first slot is empty again.
        if (waiting_ == 0 || shared.left_from < shared.left_to) return false;
        try {
            pushes_.push_back(&send);
        } catch (const std::bad_alloc&) {
            return false;
        }
        shared.help.store(Help::pushing, std::memory_order_seq_cst);
    }
    if (!send.staged) {
        send.staged = true;
        send.slots_used = 0;
        send.push_end = 0;
        send.staged_at.begin(send.memory.list());
    }
    bool any = false;
    for (;;) {
        if (send.staged_at.at() >= send.push_end) {
            const std::uint64_t at = shared.claim(push_bytes);
            if (at >= shared.bytes) break;
            send.push_end = std::min(at + push_bytes, shared.bytes);
            send.staged_at.seek(at);
            if (!is_readable(send.staged_at, send.push_end - at)) {
                refuse_to_push(send, shared);
                return true;
            }
        }
        StageSlot& one = slot(shared, send.slots_used);
        if (one.full.load(std::memory_order_acquire) != 0) break;
        const std::uint64_t bytes =
            std::min(slot_bytes_for(shared.bytes), send.push_end - send.staged_at.at());
        one.offset = send.staged_at.at();
        one.bytes = static_cast<std::uint32_t>(bytes);
        each_run(send.staged_at, bytes,
                 [&](const std::byte* from, std::uint64_t done, std::size_t part) {
                     std::memcpy(one.data + done, from, part);
                 });
        one.full.store(1, std::memory_order_seq_cst);
        ++send.slots_used;
        tally_.helped_bytes += bytes;
        any = true;
    }
    if (any) memory_.line(send.context->member(send.peer)).bell.ring_if_asleep();
    return any;
}

/// Leaves what was claimed and not pushed to the receivers: nobody knows when we come again.
void Endpoint::stop_pushing() noexcept {
    for (Operation* const send : pushes_) {
        if (send->progress != Progress::offered) continue;
        Handoff& shared = handoff(send->handoff);
        shared.left_from = send->staged_at.at();
        shared.left_to = std::max(send->push_end, send->staged_at.at());
        send->push_end = send->staged_at.at();
        shared.help.store(Help::staging, std::memory_order_seq_cst);
        memory_.line(send->context->member(send->peer)).bell.ring_if_asleep();
    }
    pushes_.clear();
}

}  // namespace onecopy::node
