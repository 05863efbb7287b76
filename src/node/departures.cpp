// What becomes of operations whose peers have left or died.
#include <algorithm>

#include "node/endpoint.hpp"

namespace onecopy::node {

std::error_code Endpoint::state_of(const Context& context) const noexcept {
    for (const int member : context.members()) {
        if (watch_.stage(member) == Stage::dead) return Errc::peer_died;
    }
    return {};
}

bool Endpoint::all_others_left(const Context& context) const noexcept {
    for (const int member : context.members()) {
        if (member != rank_ && stages_[static_cast<std::size_t>(member)] == Stage::here) {
            return false;
        }
    }
    return context.size() > 1;
}

std::error_code Endpoint::hopeless(const Context& context, int source, int tag) const noexcept {
    if (context.broken) return context.broken;
    if (source != any_source && !context.has(source)) return Errc::bad_rank;
    if (tag < 0 && tag != any_tag) return Errc::bad_tag;
    if (departures_seen_ == 0) return {};
    const bool nobody =
        source == any_source
            ? all_others_left(context)
            : stages_[static_cast<std::size_t>(context.member(source))] != Stage::here;
    return nobody ? make_error_code(Errc::peer_left) : std::error_code();
}

void Endpoint::drain_rings() noexcept {
    accept_rings();
    for (RingReader& ring : incoming_) {
        while (take_messages(ring)) {
        }
    }
}

void Endpoint::bury() noexcept {
    departures_seen_ = std::max(watch_.departures(), 1U);  // not 0: somebody has gone
    for (int rank = 0; rank < ranks(); ++rank) {
        const Stage stage = watch_.stage(rank);
        if (stage == Stage::left || stage == Stage::dead) {
            stages_[static_cast<std::size_t>(rank)] = stage;
        }
    }
    // What they sent before is still in their rings.
    drain_rings();
    for (auto& [number, one] : contexts_) {
        Context& context = *one;
        if (!context.is_open()) continue;
        context.broken = state_of(context);
        if (context.broken) {
            while (Operation* const receive = context.matching().first_receive()) {
                context.matching().remove(*receive);
                receive->finish(context.broken);
            }
            continue;
        }
        for (int member = 0; member < context.size(); ++member) {
            if (stages_[static_cast<std::size_t>(context.member(member))] != Stage::here) {
                end_receives(context, member, Errc::peer_left);
            }
        }
        if (all_others_left(context)) end_receives(context, any_source, Errc::peer_left);
    }
    for (Operation* each = offers_.first(); each != nullptr;) {
        Operation* const next = offers_.after(*each);
        const auto to = static_cast<std::size_t>(each->context->member(each->peer));
        if (each->context->broken || stages_[to] != Stage::here) {
            withdraw(*each, each->context->broken ? each->context->broken
                                                  : make_error_code(Errc::peer_left));
        }
        each = next;
    }
    for (const int rank : with_queue_) {
        auto& queue = outgoing_[static_cast<std::size_t>(rank)].queue;
        const bool gone = stages_[static_cast<std::size_t>(rank)] != Stage::here;
        for (Operation* each = queue.first(); each != nullptr;) {
            Operation* const next = queue.after(*each);
            if (gone || each->context->broken) {
                queue.remove(*each);
                // Not announced yet: nobody knows of its hand-off.
                if (each->bytes > eager_bytes || each->synchronous) {
                    free_handoffs_.push_back(each->copying->handoff);
                }
                each->finish(each->context->broken ? each->context->broken
                                                   : make_error_code(Errc::peer_left));
            }
            each = next;
        }
    }
}

void Endpoint::end_receives(Context& context, int source, std::error_code error) noexcept {
    while (Operation* const receive = context.matching().first_receive_from(source)) {
        context.matching().remove(*receive);
        receive->finish(error);
    }
}

}  // namespace onecopy::node
