#include "collectives/parts_call.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "collectives/fold.hpp"
#include "onecopy/error.hpp"
#include "os/errors.hpp"

namespace onecopy::collectives {
namespace {

/// Of messages in the context of our own: communicator.cpp has others.
constexpr int parts_tag = 3;

std::size_t begin_of(const Parts& parts, int rank) noexcept {
    const auto place = static_cast<std::size_t>(rank);
    if (!parts.offsets.empty()) return parts.offsets[place];
    std::size_t at = 0;
    for (std::size_t i = 0; i < place; ++i) at += parts.bytes[i];
    return at;
}

}  // namespace

// Where something is wrong here, messages are empty: the others find them too short, and nobody
// waits.

PartsCall::PartsCall(Group& group, node::Context& inner, const Prepared& prepared)
    : group_(group), inner_(inner), prepared_(prepared), error_(prepared.error) {
    // Nobody knows which root was meant.
    if (prepared.error && !inner.has(prepared.call.root)) return;
    make_room();
    // With everybody, each beginning behind itself.
    for (int i = 0; i < group.size(); ++i) exchange((group.rank() + i) % group.size());
    std::stable_partition(operations_.begin(), operations_.end(),
                          [](const auto& each) { return each->kind == node::Kind::receive; });
}

/// Memory for what comes, or goes, where it cannot be the user's.
void PartsCall::make_room() {
    Call& call = prepared_.call;
    if (prepared_.error) return;
    if (call.reduces) {
        room_.reset(new std::byte[prepared_.to_bytes * static_cast<std::size_t>(group_.size())]);
    } else if (call.what == Collective::alltoall &&
               call.is_in_place(prepared_.from_bytes, prepared_.to_bytes)) {
        // What comes would lie over what has not gone yet.
        room_.reset(new std::byte[prepared_.from_bytes]);
        std::memcpy(room_.get(), call.from, prepared_.from_bytes);
        call.from = room_.get();
    }
}

PartsCall::Part PartsCall::part_of(const Parts& parts, int rank) const noexcept {
    if (prepared_.error) return {};
    return {begin_of(parts, rank), parts.bytes[static_cast<std::size_t>(rank)]};
}
PartsCall::Part PartsCall::whole(std::size_t bytes) const noexcept {
    return {0, prepared_.error ? 0 : bytes};
}

/// The ranks whose operands a rank's result is made of: so many, from 0 on.
int PartsCall::operands_of(int rank) const noexcept {
    switch (prepared_.call.what) {
        case Collective::reduce:
            return rank == prepared_.call.root ? group_.size() : 0;
        case Collective::scan:
            return rank + 1;
        case Collective::exscan:
            return rank;
        default:
            return group_.size();
    }
}

/// Of `from`, what a member needs.
std::optional<PartsCall::Part> PartsCall::sent_to(int member) const noexcept {
    const Call& call = prepared_.call;
    if (call.reduces && group_.rank() >= operands_of(member)) return {};
    switch (call.what) {
        case Collective::gather:
            if (member != call.root) return {};
            return whole(prepared_.from_bytes);
        case Collective::scatter:
            if (group_.rank() != call.root) return {};
            return part_of(prepared_.from_parts, member);
        case Collective::alltoall:
        case Collective::reduce_scatter:
            return part_of(prepared_.from_parts, member);
        default:
            return whole(prepared_.from_bytes);
    }
}

/// What comes from a member: a part of `to`, or of the room for operands.
std::optional<PartsCall::Part> PartsCall::received_from(int member) const noexcept {
    const Call& call = prepared_.call;
    if (call.reduces) {
        if (member >= operands_of(group_.rank())) return {};
        const Part operand = whole(prepared_.to_bytes);
        return Part{static_cast<std::size_t>(member) * operand.bytes, operand.bytes};
    }
    switch (call.what) {
        case Collective::gather:
            if (group_.rank() != call.root) return {};
            return part_of(prepared_.to_parts, member);
        case Collective::scatter:
            if (member != call.root) return {};
            return whole(prepared_.to_bytes);
        default:
            return part_of(prepared_.to_parts, member);
    }
}

void PartsCall::exchange(int member) {
    const Call& call = prepared_.call;
    const std::optional<Part> out = sent_to(member), in = received_from(member);
    if (member == group_.rank()) {
        if (out && in) take_own(*out, *in);
        return;
    }
    if (in) {
        std::byte* const to = call.reduces ? room_.get() : call.to;
        add(node::Kind::receive, member, node::Pieces(Segment(to + in->at, in->bytes)));
    }
    if (out) {
        add(node::Kind::send, member, node::Pieces(ConstSegment(call.from + out->at, out->bytes)));
    }
}

/// An operand is used where it is.
void PartsCall::take_own(Part out, Part in) noexcept {
    const Call& call = prepared_.call;
    if (call.reduces) {
        own_at_ = out.at;
    } else if (out.bytes > 0 && call.from + out.at != call.to + in.at) {
        std::memcpy(call.to + in.at, call.from + out.at, std::min(out.bytes, in.bytes));
    }
}

void PartsCall::add(node::Kind kind, int peer, node::Pieces memory) {
    auto& made = operations_.emplace_back(new node::Operation);
    made->kind = kind;
    made->context = &inner_;
    made->peer = peer;
    made->tag = parts_tag;
    made->memory = std::move(memory);
}

bool PartsCall::advance() noexcept {
    if (is_over()) return false;
    node::Endpoint& endpoint = group_.endpoint();
    for (; begun_ < operations_.size(); ++begun_) endpoint.start(*operations_[begun_]);
    const std::size_t earlier = over_;
    for (; over_ < operations_.size(); ++over_) {
        if (!endpoint.is_done(*operations_[over_])) return over_ > earlier;
        look_at(*operations_[over_]);
    }
    if (!error_ && prepared_.call.reduces) fold();
    end(error_);
    return true;
}

void PartsCall::look_at(const node::Operation& over) noexcept {
    if (error_) return;
    if (over.status.error == Errc::truncated) {
        error_ = Errc::mismatch;
    } else if (over.status.error) {
        error_ = over.status.error;
    } else if (over.kind == node::Kind::receive && over.status.bytes != over.bytes) {
        error_ = Errc::mismatch;
    }
}

void PartsCall::fold() noexcept {
    const Call& call = prepared_.call;
    const std::size_t bytes = prepared_.to_bytes;
    const int count = operands_of(group_.rank());
    if (bytes == 0 || count == 0) return;
    Tiles& tiles = group_.tiles();
    const std::unique_ptr<Operand[]> operands(new (std::nothrow)
                                                  Operand[static_cast<std::size_t>(count)]);
    if (!operands || !tiles.make(group_.size(), call.how.element_bytes())) {
        error_ = os::no_memory();
        return;
    }
    for (int member = 0; member < count; ++member) {
        const auto place = static_cast<std::size_t>(member);
        const std::byte* const at =
            member == group_.rank() ? call.from + own_at_ : room_.get() + place * bytes;
        operands[place] = {at, member, 1};
    }
    fold_all(call.how, tiles, call.what, {operands.get(), static_cast<std::size_t>(count)}, bytes,
             call.to);
}

}  // namespace onecopy::collectives
