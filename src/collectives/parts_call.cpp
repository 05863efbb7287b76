#include "collectives/parts_call.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "collectives/fold.hpp"
#include "onecopy/error.hpp"
#include "os/no_memory.hpp"

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

PartsCall::PartsCall(Group& group, node::Context& inner, const Prepared& prepared)
    : group_(group), inner_(inner), prepared_(prepared), error_(prepared.error) {
    describe();
    std::stable_partition(operations_.begin(), operations_.end(),
                          [](const auto& each) { return each->kind == node::Kind::receive; });
}

node::Operation& PartsCall::operation(node::Kind kind, int peer, node::Pieces memory) {
    auto& made = operations_.emplace_back(new node::Operation);
    made->kind = kind;
    made->context = &inner_;
    made->peer = peer;
    made->tag = parts_tag;
    made->memory = std::move(memory);
    return *made;
}

// What is wrong here only becomes empty messages: the others find them too short, and nobody waits.

void PartsCall::receive(int from, std::byte* to, std::size_t bytes) {
    operation(node::Kind::receive, from, node::Pieces(Segment(to, prepared_.error ? 0 : bytes)));
}
void PartsCall::send(int to, const std::byte* from, std::size_t bytes) {
    operation(node::Kind::send, to, node::Pieces(ConstSegment(from, prepared_.error ? 0 : bytes)));
}

void PartsCall::own_part(Part out, Part in) noexcept {
    if (prepared_.error || out.bytes == 0) return;
    const std::byte* const from = prepared_.call.from + out.at;
    std::byte* const to = prepared_.call.to + in.at;
    if (from != to) std::memcpy(to, from, std::min(out.bytes, in.bytes));
}

/// With everybody, each beginning behind itself.
void PartsCall::exchange(int member, Part out, Part in) {
    if (member == group_.rank()) return own_part(out, in);
    receive(member, prepared_.call.to + in.at, in.bytes);
    send(member, prepared_.call.from + out.at, out.bytes);
}

bool PartsCall::overlaps() const noexcept {
    const auto begin = [](const std::byte* at) { return reinterpret_cast<std::uintptr_t>(at); };
    const Call& call = prepared_.call;
    return begin(call.from) < begin(call.to) + prepared_.to_bytes &&
           begin(call.to) < begin(call.from) + prepared_.from_bytes;
}

void PartsCall::describe() {
    const Call& call = prepared_.call;
    const int ranks = group_.size(), rank = group_.rank();
    const bool wrong = static_cast<bool>(prepared_.error);
    const auto part = [&](const Parts& parts, int member) -> Part {
        if (wrong) return {};
        return {begin_of(parts, member), parts.bytes[static_cast<std::size_t>(member)]};
    };
    const Part all_from{0, prepared_.from_bytes}, all_to{0, prepared_.to_bytes};
    // Nobody knows which root was meant.
    if (wrong && !inner_.has(call.root)) return;
    if (call.reduces && !wrong) {
        arrived_.reset(new std::byte[prepared_.to_bytes * static_cast<std::size_t>(ranks)]);
    }
    if (call.what == Collective::reduce_scatter) own_at_ = part(prepared_.from_parts, rank).at;
    if (call.what == Collective::alltoall && !wrong && overlaps()) {
        // In place: what comes would lie over what has not gone yet.
        arrived_.reset(new std::byte[prepared_.from_bytes]);
        std::memcpy(arrived_.get(), call.from, prepared_.from_bytes);
        prepared_.call.from = arrived_.get();
    }
    for (int i = 0; i < ranks; ++i) {
        const int member = (rank + i) % ranks;
        switch (call.what) {
            case Collective::gather:
                if (rank != call.root) {
                    if (member == call.root) send(member, call.from, prepared_.from_bytes);
                } else if (member == rank) {
                    own_part(all_from, part(prepared_.to_parts, rank));
                } else {
                    const Part in = part(prepared_.to_parts, member);
                    receive(member, call.to + in.at, in.bytes);
                }
                break;
            case Collective::scatter:
                if (rank != call.root) {
                    if (member == call.root) receive(member, call.to, prepared_.to_bytes);
                } else if (member == rank) {
                    own_part(part(prepared_.from_parts, rank), all_to);
                } else {
                    const Part out = part(prepared_.from_parts, member);
                    send(member, call.from + out.at, out.bytes);
                }
                break;
            case Collective::allgather:
                exchange(member, all_from, part(prepared_.to_parts, member));
                break;
            case Collective::reduce_scatter:
            case Collective::reduce:
            case Collective::allreduce:
            case Collective::scan:
            case Collective::exscan:
                exchange_operands(member, call.what == Collective::reduce_scatter
                                              ? part(prepared_.from_parts, member)
                                              : all_from);
                break;
            default:
                exchange(member, part(prepared_.from_parts, member),
                         part(prepared_.to_parts, member));
                break;
        }
    }
}

/// The ranks whose operands a rank's result is made of: [first, end).
PartsCall::Operands PartsCall::operands_of(int member) const noexcept {
    const Call& call = prepared_.call;
    switch (call.what) {
        case Collective::reduce:
            return {0, member == call.root ? group_.size() : 0};
        case Collective::scan:
            return {0, member + 1};
        case Collective::exscan:
            return {0, member};
        default:
            return {0, group_.size()};
    }
}

/// Each gets the operands that it needs, and combines them alone.
void PartsCall::exchange_operands(int member, Part out) {
    const int rank = group_.rank();
    if (member == rank) return;
    if (member < operands_of(rank).end) {
        const std::size_t place = static_cast<std::size_t>(member) * prepared_.to_bytes;
        receive(member, arrived_.get() + (prepared_.error ? 0 : place), prepared_.to_bytes);
    }
    if (rank < operands_of(member).end) send(member, prepared_.call.from + out.at, out.bytes);
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
    const int count = operands_of(group_.rank()).end;
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
            member == group_.rank() ? call.from + own_at_ : arrived_.get() + place * bytes;
        operands[place] = {at, member, 1};
    }
    fold_all(call.how, tiles, call.what, {operands.get(), static_cast<std::size_t>(count)}, bytes,
             call.to);
}

}  // namespace onecopy::collectives
