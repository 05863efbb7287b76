// Messages that do not go through the ring: the sender announces where they are, the receiver
// fetches them, and if both are there, both copy.
#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "node/endpoint.hpp"
#include "os/errors.hpp"

namespace onecopy::node {
namespace {

/// Lists longer than that are fetched by the receiver.
constexpr std::size_t most_announced_segments = 64;

/// Between two looks at what else there is to do.
constexpr std::uint64_t step_bytes = std::uint64_t{256} << 10;

constexpr std::size_t handoffs_in_block = block_bytes / sizeof(Handoff);

}  // namespace

std::optional<HandoffName> Endpoint::take_handoff() noexcept {
    try {
        if (free_handoffs_.empty()) {
            const auto block = memory_.take_block();
            if (!block) return {};
            handoffs_ += handoffs_in_block;
            free_handoffs_.reserve(handoffs_);  // for when all of them come back
            for (std::uint32_t i = handoffs_in_block; i-- > 0;) {
                free_handoffs_.push_back({*block, i});
            }
        }
    } catch (const std::bad_alloc&) {
        return {};
    }
    const HandoffName name = free_handoffs_.back();
    free_handoffs_.pop_back();
    return name;
}

/// Where there are more segments than an announcement holds. Throws std::bad_alloc.
void Endpoint::list_for_receiver(Operation& send) {
    const std::span<const Segment> list = send.memory.list();
    send.copying->announced.clear();
    if (list.size() <= most_announced_segments) return;
    send.copying->announced.reserve(list.size());
    for (const Segment& each : list) {
        send.copying->announced.push_back(
            {reinterpret_cast<std::uintptr_t>(each.data()), each.size()});
    }
}

std::size_t Endpoint::announcement_bytes(const Operation& send) noexcept {
    const std::size_t segments = send.memory.list().size();
    return sizeof(Announcement) +
           sizeof(RemoteSegment) * (segments <= most_announced_segments ? segments : 1);
}

void Endpoint::write_announcement(Operation& send, std::byte* to) noexcept {
    Handoff& shared = handoff(send.copying->handoff);
    send.copying->staged = send.copying->unreadable = send.copying->brought = false;
    send.copying->push_end = send.copying->left_end = 0;
    shared.offer();
    bring_stage(send, shared);

    const std::span<const Segment> list = send.memory.list();
    Announcement announcement{};
    announcement.bytes = send.bytes;
    announcement.handoff = send.copying->handoff;
    announcement.segments = static_cast<std::uint32_t>(list.size());
    announcement.list_is_remote = list.size() > most_announced_segments ? 1 : 0;
    std::memcpy(to, &announcement, sizeof announcement);
    to += sizeof announcement;
    const auto write = [&to](const RemoteSegment& segment) {
        std::memcpy(to, &segment, sizeof segment);
        to += sizeof segment;
    };
    if (announcement.list_is_remote != 0) {
        write({reinterpret_cast<std::uintptr_t>(send.copying->announced.data()),
               send.copying->announced.size() * sizeof(RemoteSegment)});
        return;
    }
    for (const Segment& each : list) {
        write({reinterpret_cast<std::uintptr_t>(each.data()), each.size()});
    }
}

/// Throws std::bad_alloc.
void Endpoint::read_announcement(std::span<const std::byte> bytes, int from, Source& source) {
    Announcement announcement;
    std::memcpy(&announcement, bytes.data(), sizeof announcement);
    bytes = bytes.subspan(sizeof announcement);
    source.rank = from;
    source.bytes = announcement.bytes;
    source.handoff = announcement.handoff;
    std::memcpy(&source.one, bytes.data(), sizeof source.one);
    if (announcement.segments == 1) return;
    source.many.resize(announcement.segments);
    const auto list = std::as_writable_bytes(std::span(source.many));
    if (announcement.list_is_remote == 0) {
        std::memcpy(list.data(), bytes.data(), list.size());
        return;
    }
    std::error_code error;
    const Process* const process = peers_.process(from, error);
    source.unknown =
        process == nullptr || read(*process, source.one.address, list).bytes != list.size();
}

bool Endpoint::is_in_arena(std::span<const Segment> list) const noexcept {
    const RankLine& own = memory_.line(rank_);
    return std::all_of(list.begin(), list.end(), [&](const Segment& each) {
        const std::uint64_t at = reinterpret_cast<std::uintptr_t>(each.data()) - own.arena_base;
        return at < own.arena_bytes && each.size() <= own.arena_bytes - at;
    });
}

void Endpoint::begin_copy(Operation& receive, Source source, int from, int tag) noexcept {
    receive.status.source = from;
    receive.status.tag = tag;
    receive.status.bytes = source.bytes;
    look_where_we_are();
    receive.copying.reset(new (std::nothrow) Copying);
    if (!receive.copying) {
        if (handoff(source.handoff).take()) answer(source, Outcome::failed);
        return receive.finish(os::no_memory());
    }
    receive.copying->source = std::move(source);
    receive.copying->wanted = std::min(receive.bytes, receive.copying->source.bytes);
    receive.progress = Progress::pulling;
    copies_.append(receive);

    Handoff& shared = handoff(receive.copying->source.handoff);
    if (!shared.take()) {
        // It was withdrawn: a rank has died, and we shall hear of it in a moment.
        List<Operation, Working>::remove(receive);
        return receive.finish(Errc::peer_died);
    }
    const std::span<const Segment> to = receive.memory.list();
    const std::span<const RemoteSegment> list = receive.copying->source.list();
    receive.copying->to.begin(to);
    receive.copying->from.begin(list);

    if (receive.copying->wanted == 0 || receive.copying->source.rank == rank_) return;
    const Attachment* const arena =
        receive.copying->source.unknown ? nullptr : peers_.arena(receive.copying->source.rank);
    const bool mapped = arena != nullptr && std::all_of(list.begin(), list.end(), [&](auto& each) {
                            return arena->owns(each.address, each.bytes);
                        });
    if (!mapped) return begin_unmapped(receive);

    if (is_in_arena(to)) share(receive, Help::copying);
}

/// Asks the sender to help, if it is worth it.
void Endpoint::share(Operation& receive, Help way) noexcept {
    Copying& copying = *receive.copying;
    const std::span<const Segment> to = receive.memory.list();
    const bool pays =
        way == Help::writing || copying.wanted >= ways_to(copying.source.rank).shared_from;
    copying.shared = pays && to.size() == 1 && copying.source.list().size() == 1;
    if (!copying.shared) return;
    handoff(copying.source.handoff)
        .share(reinterpret_cast<std::uintptr_t>(to[0].data()), copying.wanted, way);
}

/// Copies up to `most` bytes, as many as lie in the next few segments.
Transfer Endpoint::copy_some(Operation& receive, std::uint64_t most) noexcept {
    std::error_code error;
    const Process* const process = peers_.process(receive.copying->source.rank, error);
    if (process == nullptr) return {0, error};
    constexpr std::size_t most_segments = 64;
    std::array<Segment, most_segments> to;
    std::array<RemoteSegment, most_segments> from;
    plan::Cursor ahead_to = receive.copying->to.cursor();
    plan::Cursor ahead_from = receive.copying->from.cursor();
    std::size_t count = 0;
    std::uint64_t bytes = 0;
    for (; count < most_segments && bytes < most; ++count) {
        const plan::Run near = ahead_to.run();
        const plan::Run far = ahead_from.run();
        const std::uint64_t part = std::min({near.bytes, far.bytes, most - bytes});
        to[count] = {reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(near.address)),
                     static_cast<std::size_t>(part)};
        from[count] = {far.address, part};
        ahead_to.advance(part);
        ahead_from.advance(part);
        bytes += part;
    }
    const Transfer moved =
        read(*process, std::span(from.data(), count), std::span(to.data(), count));
    receive.copying->to.seek(receive.copying->to.at() + moved.bytes);
    receive.copying->from.seek(receive.copying->from.at() + moved.bytes);
    const Attachment* const arena = peers_.arena(receive.copying->source.rank);
    (arena != nullptr && arena->owns(from[0].address, from[0].bytes) ? counters_.mapped_bytes
                                                                     : counters_.called_bytes) +=
        moved.bytes;
    return moved;
}

/// True if anything was copied or is over.
bool Endpoint::step(Operation& receive) noexcept {
    if (receive.copying->waits_for_stage && !open_stage(receive, Help::needed)) {
        return look_for_its_sender(receive);
    }
    if (receive.copying->staged) return step_staged(receive);
    if (!receive.copying->shared) {
        const std::uint64_t left = receive.copying->wanted - receive.copying->moved;
        if (left > 0) {
            const Transfer moved = copy_some(receive, std::min(left, step_bytes));
            receive.copying->moved += moved.bytes;
            if (moved.error) {
                end_copy(receive, Outcome::failed, moved.error);
                return true;
            }
        }
        if (receive.copying->moved == receive.copying->wanted)
            end_copy(receive, Outcome::all_right, {});
        return true;
    }
    Handoff& shared = handoff(receive.copying->source.handoff);
    OwnShare own{receive.copying->wanted, receive.copying->claimed,
                 static_cast<bool>(receive.copying->failure)};
    const OwnShare::Round round =
        own.round(shared, step_bytes, [&](std::uint64_t at, std::uint64_t bytes) {
            receive.copying->to.seek(at);
            receive.copying->from.seek(at);
            const Transfer moved = copy_some(receive, bytes);
            receive.copying->moved += moved.bytes;
            receive.copying->failure = moved.error;
            return !moved.error;
        });
    receive.copying->wanted = own.wanted;
    receive.copying->claimed = own.claimed;
    if (round == OwnShare::Round::copied) return true;
    if (round == OwnShare::Round::waits) {
        watch_.look_at(receive.copying->source.rank);
        if (watch_.stage(receive.copying->source.rank) != Stage::dead) return false;
        end_copy(receive, Outcome::failed, Errc::peer_died);
        return true;
    }
    if (!receive.copying->failure && shared.spoiled.load(std::memory_order_relaxed) != 0) {
        if (shared.way() == Help::writing) {
            // The sender may be refused what we are allowed. Once more, alone.
            receive.copying->shared = false;
            receive.copying->moved = 0;
            receive.copying->to.seek(0);
            receive.copying->from.seek(0);
            return true;
        }
        receive.copying->failure = std::make_error_code(std::errc::bad_address);
    }
    end_copy(receive, receive.copying->failure ? Outcome::failed : Outcome::all_right,
             receive.copying->failure);
    return true;
}

void Endpoint::end_copy(Operation& receive, Outcome outcome, std::error_code error) noexcept {
    List<Operation, Working>::remove(receive);
    close_stage(receive, outcome);
    answer(receive.copying->source, outcome);
    if (error == std::errc::no_such_process) {
        watch_.look_at(receive.copying->source.rank);
        error = Errc::peer_died;
    }
    if (!error && receive.copying->source.bytes > receive.bytes) error = Errc::truncated;
    receive.finish(error);
}

View Endpoint::hold(const Arrived& message) noexcept {
    const Source& source = message.at;
    if (!message.large || source.unknown || source.list().size() != 1 || source.rank == rank_) {
        return {};
    }
    const Attachment* const arena = peers_.arena(source.rank);
    if (arena == nullptr || !arena->owns(source.one.address, source.bytes)) return {};
    std::error_code error;
    View view = arena->reach(source.one.address, source.bytes, error);
    if (view.bytes().size() != source.bytes) return {};
    if (!handoff(source.handoff).take()) return {};
    counters_.mapped_bytes += source.bytes;
    return view;
}

/// A small message that its sender waits for.
void Endpoint::write_answered(Operation& send, std::byte* to) noexcept {
    Copying& copying = *send.copying;
    copying.staged = copying.unreadable = copying.brought = false;
    handoff(copying.handoff).offer();
    std::memcpy(to, &copying.handoff, sizeof copying.handoff);
    send.memory.gather(to + sizeof copying.handoff);
}

/// To its sender. (It may have given up, because some rank has died.)
void Endpoint::acknowledge(const Source& source) noexcept {
    Handoff& shared = handoff(source.handoff);
    if (!shared.take()) return;
    shared.end(Outcome::all_right);
    tell(source.rank);
}

void Endpoint::drop(const Arrived& message) noexcept {
    if (message.answered) return acknowledge(message.at);
    if (message.large && handoff(message.at.handoff).take()) let_go(message.at);
}

void Endpoint::let_go(const Source& source) noexcept { answer(source, Outcome::all_right); }

void Endpoint::answer(const Source& source, Outcome outcome) noexcept {
    handoff(source.handoff).end(outcome);
    tell(source.rank);
    ++counters_.large_messages;
}

/// True if it is done, or something was copied.
bool Endpoint::look_at_offer(Operation& send) noexcept {
    Handoff& shared = handoff(send.copying->handoff);
    const HandoffState state = shared.state.load(std::memory_order_acquire);
    if (state == HandoffState::offered && send.copying->brought) return push(send, shared);
    if (state == HandoffState::taken) return help(send, shared);
    if (state != HandoffState::done) return false;
    remove_offer(send);
    shared.state.store(HandoffState::free, std::memory_order_relaxed);
    free_handoffs_.push_back(send.copying->handoff);
    send.finish(shared.outcome == Outcome::all_right
                    ? std::error_code()
                    : std::make_error_code(std::errc::bad_address));
    return true;
}

bool Endpoint::help(Operation& send, Handoff& shared) noexcept {
    const Help way = shared.way();
    if (way == Help::none) return false;
    if (way != Help::copying && way != Help::writing) return push(send, shared);
    const int to = send.context->member(send.peer);
    const Attachment* const arena = way == Help::copying ? peers_.arena(to) : nullptr;
    const bool can = way == Help::copying
                         ? arena != nullptr && arena->owns(shared.target, shared.bytes)
                         : peers_.may_be_read(to);
    if (!can) return false;
    const std::uint64_t bytes =
        help_with(shared, step_bytes, [&](std::uint64_t at, std::uint64_t count) {
            std::error_code error;
            const ConstSegment from(send.memory.list()[0].data() + at,
                                    static_cast<std::size_t>(count));
            // (If it cannot because the receiver is gone, nobody asks.)
            return !write(*peers_.process(to, error), from, shared.target + at).error;
        });
    if (bytes == 0) return false;
    counters_.helped_bytes += bytes;
    tell(to);
    return true;
}

void Endpoint::withdraw(Operation& send, std::error_code error) noexcept {
    Handoff& shared = handoff(send.copying->handoff);
    HandoffState seen{};
    const bool ours = shared.turn(HandoffState::withdrawn, seen);
    const int to = send.context->member(send.peer);
    // The receiver is at work and says when it is done, unless it is gone.
    if (!ours && stages_[static_cast<std::size_t>(to)] == Stage::here) return;
    if (!ours && seen == HandoffState::done) {
        look_at_offer(send);
        return;
    }
    // The line stays as it is: the announcement may still be read, and must find it so.
    remove_offer(send);
    send.finish(error);
}

void Endpoint::remove_offer(Operation& send) noexcept {
    List<Operation, Working>::remove(send);
    std::erase(pushes_, &send);
    if (!send.copying->brought) return;
    --stages_brought_;
    give_back_stage(handoff(send.copying->handoff).slots);
}

}  // namespace onecopy::node
