#include "collectives/flat_call.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>

#include "collectives/fold.hpp"
#include "os/errors.hpp"

namespace onecopy::collectives {
namespace {

/// Whether a rank shows something, and how many blocks.
int blocks_shown(const Call& call, int rank, int ranks) noexcept {
    const bool is_root = rank == call.root;
    if (call.is_barrier) return 0;
    switch (call.what) {
        case Collective::bcast:
            return is_root ? 1 : 0;
        case Collective::scatter:
            return is_root ? ranks : 0;
        case Collective::gather:
        case Collective::reduce:
            return is_root ? 0 : 1;
        case Collective::allgather:
        case Collective::allreduce:
            return 1;
        case Collective::alltoall:
        case Collective::reduce_scatter:
            return ranks;
        case Collective::scan:
        case Collective::exscan:
            return rank + 1 < ranks ? 1 : 0;
    }
    return 0;
}

}  // namespace

bool is_flat(const Call& call, int ranks) noexcept {
    const bool many = call.what == Collective::scatter || call.what == Collective::alltoall ||
                      call.what == Collective::reduce_scatter;
    return call.is_barrier ||
           call.bytes <= slot_data_bytes / static_cast<std::size_t>(many ? ranks : 1);
}

FlatCall::FlatCall(Group& group, const Call& call) noexcept
    : group_(group), call_(call), signature_(call.signature()), number_(group.begin()) {}

bool FlatCall::needs(int member) const noexcept {
    if (call_.is_barrier) return true;
    switch (call_.what) {
        case Collective::bcast:
        case Collective::scatter:
            return member == call_.root;
        case Collective::gather:
        case Collective::reduce:
            return group_.rank() == call_.root;
        case Collective::scan:
        case Collective::exscan:
            return member < group_.rank();
        default:
            return true;
    }
}

bool FlatCall::advance() noexcept {
    bool any = false;
    if (state_ == State::begun) {
        if (group_.failure()) {
            leave();
            return true;
        }
        const int shown = blocks_shown(call_, group_.rank(), group_.size());
        if (shown > 0 || call_.is_barrier) {
            const Look look = group_.slot_is_free(number_);
            if (look == Look::failed) leave();
            if (look != Look::ready) return look == Look::failed;
            const std::size_t bytes =
                static_cast<std::size_t>(shown) * static_cast<std::size_t>(call_.bytes);
            if (bytes > 0) std::memcpy(group_.own_slot(number_).data.data(), call_.from, bytes);
            group_.post(number_, signature_);
        }
        state_ = State::posted;
        any = true;
    }
    for (; found_ < group_.size(); ++found_, any = true) {
        const int member = place(found_);
        if (!needs(member)) continue;
        const Slot* slot = nullptr;
        const Look look = group_.find(member, number_, signature_, slot);
        if (look == Look::ready) continue;
        if (look == Look::not_yet) return any;
        leave();
        return true;
    }
    if (!call_.is_barrier && call_.bytes > 0) take_results();
    leave();
    return true;
}

const std::byte* FlatCall::bytes_of(int member) const noexcept {
    return member == group_.rank() ? call_.from : group_.slot_of(member, number_).data.data();
}

void FlatCall::gather_blocks(std::uint64_t block_at) noexcept {
    const auto bytes = static_cast<std::size_t>(call_.bytes);
    std::byte* to = call_.to;
    for (int member = 0; member < group_.size(); ++member, to += bytes) {
        const std::byte* const from = bytes_of(member) + block_at;
        if (from != to) std::memcpy(to, from, bytes);  // or it is in place
    }
}

void FlatCall::fold(int end, std::uint64_t block_at) noexcept {
    constexpr std::size_t few = 64;
    std::array<Operand, few> some;
    std::unique_ptr<Operand[]> many;
    const auto count = static_cast<std::size_t>(end);
    Operand* operands = some.data();
    Tiles& tiles = group_.tiles();
    if (count > few) {
        many.reset(new (std::nothrow) Operand[count]);
        operands = many.get();
    }
    if (operands == nullptr || !tiles.make(group_.size(), call_.how.element_bytes())) {
        return group_.fail(os::no_memory());
    }
    for (int member = 0; member < end; ++member) {
        operands[member] = {bytes_of(member) + block_at, member, 1};
    }
    fold_all(call_.how, tiles, call_.what, {operands, count}, static_cast<std::size_t>(call_.bytes),
             call_.to);
}

void FlatCall::take_results() noexcept {
    const int rank = group_.rank();
    const bool is_root = rank == call_.root;
    const auto bytes = static_cast<std::size_t>(call_.bytes);
    const std::uint64_t own_block = static_cast<std::uint64_t>(rank) * call_.bytes;
    switch (call_.what) {
        case Collective::bcast:
            if (!is_root) std::memcpy(call_.to, bytes_of(call_.root), bytes);
            break;
        case Collective::scatter: {
            const std::byte* const from = bytes_of(call_.root) + own_block;
            if (from != call_.to) std::memcpy(call_.to, from, bytes);
            break;
        }
        case Collective::gather:
            if (is_root) gather_blocks(0);
            break;
        case Collective::allgather:
            gather_blocks(0);
            break;
        case Collective::alltoall:
            gather_blocks(own_block);
            break;
        case Collective::reduce:
            if (is_root) fold(group_.size(), 0);
            break;
        case Collective::allreduce:
            fold(group_.size(), 0);
            break;
        case Collective::reduce_scatter:
            fold(group_.size(), own_block);
            break;
        case Collective::scan:
            fold(rank + 1, 0);
            break;
        case Collective::exscan:
            if (rank > 0) fold(rank, 0);
            break;
    }
}

/// At any time, after a failure too: nobody looks at this rank's own memory.
void FlatCall::leave() noexcept {
    group_.finish(number_);
    end(group_.failure());
}

}  // namespace onecopy::collectives
