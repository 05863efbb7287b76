#include "collectives/large_call.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "collectives/choice.hpp"
#include "os/errors.hpp"

namespace onecopy::collectives {
namespace {

using os::no_memory;
using schedule::Buffer;
using schedule::Form;
using schedule::Place;
using schedule::Source;
using schedule::Step;

/// Between two looks at what else there is to do.
constexpr std::uint64_t bytes_at_a_time = std::uint64_t{256} << 10;

/// Ranks that map each other's arenas: each takes a descriptor.
constexpr int most_mapped = 64;

std::uint64_t number_of(const std::byte* at) noexcept {
    return static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(at));
}

}  // namespace

LargeCall::LargeCall(Group& group, const Call& call)
    : group_(group),
      call_(call),
      signature_(call.signature()),
      number_(group.begin()),
      turn_(group.large_begun++),
      sight_(group) {}

bool LargeCall::advance() noexcept {
    if (is_over()) return false;
    bool any = false;
    for (;;) {
        Look look = Look::failed;
        switch (state_) {
            case State::begun:
                look = group_.failure() ? Look::failed : post();
                break;
            case State::posted:
                look = find_all();
                break;
            case State::moving: {
                bool moved = false;
                look = move(moved);
                any = any || moved;
                if (moved && look == Look::not_yet) return true;
                break;
            }
            case State::done:
                look = all_have_done();
                break;
            case State::stopped:
                if (!group_.nobody_is_in(number_)) return any;
                leave();
                return true;
        }
        if (look == Look::not_yet) return any;
        any = true;
        if (look == Look::failed) {
            state_ = State::stopped;
            continue;
        }
        if (state_ == State::done) {
            leave();
            return true;
        }
        state_ = static_cast<State>(static_cast<unsigned>(state_) + 1);
    }
}

Look LargeCall::post() noexcept {
    const Look free = group_.slot_is_free(number_);
    if (free != Look::ready) return free;
    const Blocks blocks = blocks_of(call_.what, group_.rank(), call_.root, group_.size());
    const std::uint64_t from_bytes = static_cast<std::uint64_t>(blocks.from) * call_.bytes;
    const std::uint64_t to_bytes = static_cast<std::uint64_t>(blocks.to) * call_.bytes;
    const bool in_place = call_.is_in_place(from_bytes, to_bytes);
    // By some schedules results would be written over what others still read.
    bool mapped = sight_.can_be_seen(call_.from, from_bytes) &&
                  sight_.can_be_seen(call_.to, to_bytes) &&
                  !(in_place && !schedule::in_place_safe(call_.what, Form::pull));
    // All that there is in a schedule it can see: each of them has come, or it says so later.
    if (group_.size() > most_mapped) mapped = false;
    for (; mapped && asked_ < group_.size(); ++asked_) {
        const Look here = group_.has_come(asked_);
        if (here != Look::ready) return here;
        if (!sight_.can_see(asked_)) mapped = false;
    }
    Published shown{};
    shown.from = number_of(call_.from);
    shown.to = number_of(call_.to);
    shown.flags = (mapped ? mapped_flag : 0) | (in_place ? in_place_flag : 0);
    std::memcpy(group_.own_slot(number_).data.data(), &shown, sizeof shown);
    all_flags_ &= shown.flags;
    any_flags_ |= shown.flags;
    group_.post(number_, signature_);
    return Look::ready;
}

Look LargeCall::find_all() noexcept {
    for (; found_ < group_.size(); ++found_) {
        const int member = (group_.rank() + found_) % group_.size();
        const Slot* slot = nullptr;
        const Look look = group_.find(member, number_, signature_, slot);
        if (look != Look::ready) return look;
        Published shown;
        std::memcpy(&shown, slot->data.data(), sizeof shown);
        all_flags_ &= shown.flags;
        any_flags_ |= shown.flags;
    }
    // Those before go first.
    if (group_.large_over != turn_) return group_.failure() ? Look::failed : Look::not_yet;
    // From here on others' memory is touched: whoever has given up must have been seen by now.
    if (group_.somebody_has_failed()) return Look::failed;
    return decide() ? Look::ready : Look::failed;
}

/// What all come to alike.
bool LargeCall::decide() noexcept {
    mapped_ = (all_flags_ & mapped_flag) != 0;
    const std::size_t frame_bytes = Group::frame_bytes_each;
    Choice choice;
    const schedule::Domains* domains = nullptr;
    try {
        Places& places = group_.places();
        if (const auto found = choose_by_domains(call_, places, mapped_, frame_bytes)) {
            choice = *found;
            domains = places.domains();
        } else {
            choice = choose(group_.schedules(), call_, group_.size(), mapped_,
                            (any_flags_ & in_place_flag) != 0, frame_bytes);
        }
    } catch (const std::bad_alloc&) {
        group_.fail(os::no_memory());
        return false;
    }
    if (choice.window == 0) {
        // An element that does not fit into a frame.
        group_.fail(std::make_error_code(std::errc::value_too_large));
        return false;
    }
    window_ = std::min(choice.window, call_.bytes);
    schedule::Call what;
    what.what = call_.what;
    what.form = choice.form;
    what.ranks = group_.size();
    what.root = call_.root;
    what.bytes = window_;
    what.grain = call_.grain();
    what.domains = domains;
    ++group_.calls_by_form[static_cast<std::size_t>(choice.form)];
    const std::uint64_t rest = call_.bytes % window_;
    try {
        whole_ = group_.plans().get(what, group_.rank());
        if (rest != 0) {
            what.bytes = rest;
            rest_ = group_.plans().get(what, group_.rank());
        }
    } catch (const std::bad_alloc&) {
        group_.fail(os::no_memory());
        return false;
    }
    if (call_.reduces && !group_.tiles().make(group_.size(), call_.how.element_bytes())) {
        group_.fail(os::no_memory());
        return false;
    }
    // Others look for them when they are told that there is something in them.
    const bool has_partial =
        whole_->steps.partial_bytes > 0 || (rest_ && rest_->steps.partial_bytes > 0);
    if ((!mapped_ || has_partial) && !group_.has_frame_memory()) {
        group_.fail(os::no_memory());
        return false;
    }
    const std::uint64_t frames = (call_.bytes + window_ - 1) / window_;
    first_frame_ = next_frame_ = group_.take_frames(frames);
    end_frame_ = first_frame_ + frames;
    for (Run& run : runs_) run.frame = 0;
    return true;
}

/// Ready: all windows are done here.
Look LargeCall::move(bool& any) noexcept {
    bool left = false;
    std::uint64_t oldest = next_frame_;
    for (const Run& run : runs_) {
        if (run.frame != 0) oldest = std::min(oldest, run.frame);
    }
    for (std::uint64_t frame = oldest; frame < end_frame_ && frame < oldest + frame_slots;
         ++frame) {
        Run& run = runs_[frame % frame_slots];
        if (run.frame == 0) {
            if (frame != next_frame_) continue;  // done
            run = {};
            run.frame = frame;
            run.at = (frame - first_frame_) * window_;
            run.plan = call_.bytes - run.at < window_ ? rest_.get() : whole_.get();
            ++next_frame_;
        }
        const Look look = go_on(run, any);
        if (look == Look::failed) return look;
        if (look == Look::ready) {
            run.frame = 0;
        } else {
            left = true;
            if (any) break;  // the oldest first
        }
    }
    return left || next_frame_ != end_frame_ ? Look::not_yet : Look::ready;
}

Look LargeCall::go_on(Run& run, bool& any) noexcept {
    if (run.published == 0) {
        const Look look = begin_run(run);
        if (look != Look::ready) return look;
        any = true;
    }
    const auto& list = run.plan->steps.list;
    while (run.step < list.size()) {
        const Step& step = list[run.step];
        const auto needed = static_cast<std::uint32_t>(step.phase);
        if (run.published < needed) {
            run.published = needed;
            group_.complete(run.frame, needed - 1);
        }
        const Look look = ready(run, step);
        if (look != Look::ready) return look;
        any = true;
        if (!carry_out(run, step)) return group_.failure() ? Look::failed : Look::not_yet;
        ++run.step;
        run.moved = 0;
    }
    group_.complete(run.frame, done_phase);
    any = true;
    return Look::ready;
}

Look LargeCall::begin_run(Run& run) noexcept {
    run.published = 1;
    if (mapped_ && run.plan->steps.partial_bytes == 0) return Look::ready;
    const Look free = group_.frame_is_free(run.frame);
    if (free != Look::ready) {
        run.published = 0;
        return free;
    }
    if (mapped_) return Look::ready;
    std::byte* const frame = group_.frame_bytes(group_.rank(), run.frame);
    for (const schedule::Range& each : run.plan->exports.read) {
        if (each.buffer != Buffer::from) continue;
        const Place place{group_.rank(), each.buffer, each.block, each.offset};
        std::memcpy(frame + run.plan->place_in_frame(place),
                    call_.from + static_cast<std::uint64_t>(each.block) * call_.bytes + run.at +
                        each.offset,
                    static_cast<std::size_t>(each.bytes));
    }
    group_.complete(run.frame, 0);
    return Look::ready;
}

Look LargeCall::ready(const Run& run, const Step& step) noexcept {
    for (const Source& source : step.sources) {
        if (source.place.rank == group_.rank()) continue;
        if (mapped_ && source.phase == 0) continue;
        const Look look = group_.has_completed(source.place.rank, run.frame,
                                               static_cast<std::uint32_t>(source.phase));
        if (look != Look::ready) return look;
    }
    return Look::ready;
}

/// Where a place of this window is here; `bytes` becomes less where it does not go on.
std::byte* LargeCall::where(const Run& run, const Place& place, std::uint64_t more,
                            std::uint64_t& bytes) noexcept {
    const bool own = place.rank == group_.rank();
    if (mapped_ && place.buffer == Buffer::partial) {  // nothing else is in the frame
        return group_.frame_bytes(place.rank, run.frame) + place.offset + more;
    }
    if (place.buffer == Buffer::partial || (!mapped_ && !own)) {
        return group_.frame_bytes(place.rank, run.frame) + run.plan->place_in_frame(place) + more;
    }
    const std::uint64_t within =
        static_cast<std::uint64_t>(place.block) * call_.bytes + run.at + place.offset + more;
    const bool is_from = place.buffer == Buffer::from;
    if (own) return (is_from ? const_cast<std::byte*>(call_.from) : call_.to) + within;
    Published shown;
    std::memcpy(&shown, group_.slot_of(place.rank, number_).data.data(), sizeof shown);
    return sight_.at(place.rank, is_from ? 0 : 1, (is_from ? shown.from : shown.to) + within,
                     bytes);
}

/// True if the step is done; false: there is more to do, or it failed.
bool LargeCall::carry_out(Run& run, const Step& step) noexcept {
    const std::size_t count = step.sources.size();
    // (Another call may have used the tiles since, for elements of another size.)
    if (!pointers_.make(count, step.targets.size()) ||
        (call_.reduces && !group_.tiles().make(group_.size(), call_.how.element_bytes()))) {
        group_.fail(os::no_memory());
        return false;
    }
    const bool folds = count > 1;
    const bool shows = !mapped_ && run.plan->shows_results;
    // What is used twice passes in tiles.
    std::uint64_t most = bytes_at_a_time;
    if (folds && (count > 2 || step.targets.size() > 1 || shows)) most = group_.tiles().bytes();
    if (!folds && (step.targets.size() > 1 || shows)) most = Tiles::tile_bytes;
    for (std::uint64_t budget = bytes_at_a_time; run.moved < step.bytes;) {
        if (budget == 0) return false;
        std::uint64_t part = std::min(step.bytes - run.moved, most);
        if (!find_memory(run, step, part)) {
            group_.fail(os::no_memory());
            return false;
        }
        if (folds && part < call_.grain()) {
            carry_out_element(run, step);
            if (group_.failure()) return false;
            part = call_.grain();
        } else {
            if (folds) part -= part % call_.grain();
            put_together(run, step, static_cast<std::size_t>(part));
        }
        run.moved += part;
        budget -= std::min(budget, part);
    }
    return true;
}

/// Where the next bytes of all sources and targets are; `part` becomes less where one of them does
/// not go on in this mapping.
bool LargeCall::find_memory(const Run& run, const Step& step, std::uint64_t& part) noexcept {
    for (std::size_t i = 0; i < step.sources.size(); ++i) {
        const Source& source = step.sources[i];
        const std::byte* const at = where(run, source.place, run.moved, part);
        if (at == nullptr) return false;
        pointers_.operands()[i] = {at, source.first, source.count};
    }
    for (std::size_t i = 0; i < step.targets.size(); ++i) {
        pointers_.targets()[i] = where(run, step.targets[i], run.moved, part);
        if (pointers_.targets()[i] == nullptr) return false;
    }
    return true;
}

void LargeCall::put_together(const Run& run, const Step& step, std::size_t bytes) noexcept {
    std::byte* const first = pointers_.targets()[0];
    const std::span<const Operand> operands(pointers_.operands(), step.sources.size());
    const std::byte* made = first;
    if (operands.size() > 1) {
        Fold(call_.how, group_.tiles(), call_.what)(operands, 0, bytes, first);
    } else {
        made = operands[0].bytes;
        if (first != made) std::memcpy(first, made, bytes);
    }
    for (std::size_t i = 1; i < step.targets.size(); ++i) {
        if (pointers_.targets()[i] != made) std::memcpy(pointers_.targets()[i], made, bytes);
    }
    if (!mapped_ && run.plan->shows_results) show(run, step.targets[0], made, bytes);
}

/// Puts what others read of a result of ours into the frame as well.
void LargeCall::show(const Run& run, const Place& target, const std::byte* made,
                     std::size_t bytes) noexcept {
    if (target.buffer != Buffer::to) return;
    const std::uint64_t begin = target.offset + run.moved, end = begin + bytes;
    for (const schedule::Range& each : run.plan->exports.read) {
        if (each.buffer != Buffer::to || each.block != target.block) continue;
        const std::uint64_t from = std::max(begin, each.offset);
        const std::uint64_t to = std::min(end, each.offset + each.bytes);
        if (from >= to) continue;
        const Place place{target.rank, Buffer::to, target.block, from};
        std::memcpy(group_.frame_bytes(target.rank, run.frame) + run.plan->place_in_frame(place),
                    made + (from - begin), static_cast<std::size_t>(to - from));
    }
}

/// One that lies across the end of a mapping: by way of memory of ours. (Only of mapped memory.)
void LargeCall::carry_out_element(const Run& run, const Step& step) noexcept {
    const auto bytes = static_cast<std::size_t>(call_.grain());
    const std::size_t count = step.sources.size();
    const std::unique_ptr<std::byte[]> room(new (std::nothrow) std::byte[(count + 1) * bytes]);
    if (!room) return group_.fail(os::no_memory());
    const auto pieces = [&](const Place& place, const auto& move) {
        for (std::uint64_t at = 0; at < bytes;) {
            std::uint64_t part = bytes - at;
            std::byte* const there = where(run, place, run.moved + at, part);
            if (there == nullptr) return group_.fail(os::no_memory());
            move(there, static_cast<std::size_t>(at), static_cast<std::size_t>(part));
            at += part;
        }
    };
    for (std::size_t i = 0; i < count; ++i) {
        std::byte* const copy = room.get() + i * bytes;
        pieces(step.sources[i].place,
               [&](const std::byte* there, std::size_t at, std::size_t part) {
                   std::memcpy(copy + at, there, part);
               });
        if (group_.failure()) return;  // it is not all there
        pointers_.operands()[i].bytes = copy;
    }
    std::byte* const result = room.get() + count * bytes;
    Fold(call_.how, group_.tiles(), call_.what)({pointers_.operands(), count}, 0, bytes, result);
    for (const Place& target : step.targets) {
        pieces(target, [&](std::byte* there, std::size_t at, std::size_t part) {
            std::memcpy(there, result + at, part);
        });
    }
}

Look LargeCall::all_have_done() noexcept {
    if (!mapped_) return Look::ready;
    const std::uint64_t frames = end_frame_ - first_frame_;
    const std::uint64_t last = std::min<std::uint64_t>(frames, frame_slots);
    for (const Plan* const plan : {whole_.get(), rest_.get()}) {
        if (plan == nullptr) continue;
        for (const int member : plan->exports.touchers) {
            for (std::uint64_t frame = end_frame_ - last; frame < end_frame_; ++frame) {
                const Look look = group_.has_completed(member, frame, done_phase);
                if (look != Look::ready) return look;
            }
        }
    }
    return Look::ready;
}

void LargeCall::leave() noexcept {
    ++group_.large_over;
    group_.finish(number_);
    end(group_.failure());
}

}  // namespace onecopy::collectives
