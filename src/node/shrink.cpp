// How the survivors of a death agree on who they are.
//
// Messages cannot carry it: whoever collects them may be the next to die. So each survivor says in
// the communicator's record that it has come, and waits until the record says what was decided.
// The lowest rank that lives looks until everybody who lives has come, writes down who that is, and
// stores the place, if nobody has before. If it dies on the way, the next one does the same; who is
// second with storing takes what the first decided. So all take the same, whoever died when.
#include <cerrno>
#include <cstring>
#include <system_error>

#include "node/endpoint.hpp"
#include "onecopy/communicator.hpp"

namespace onecopy {
namespace {

using node::CommunicatorRecord;
using node::Endpoint;
using node::Stage;

/// What is decided; in a block of the job's memory, complete before it is stored in the record.
struct Decision {
    std::uint32_t number;   ///< of the new communicator
    std::uint32_t members;  ///< how many, and their ranks in the old one
    std::array<std::int32_t, node::max_ranks> ranks;
};
static_assert(sizeof(Decision) <= node::block_bytes);

bool has_come(const CommunicatorRecord& record, int rank) noexcept {
    const auto place = static_cast<std::size_t>(rank);
    return (record.arrived[place / 32].load(std::memory_order_acquire) >> place % 32 & 1) != 0;
}

/// Writes down who has come, if everybody who lives has, and we are the lowest of them.
void decide(Endpoint& endpoint, const node::Context& old, CommunicatorRecord& record) noexcept {
    const auto lives = [&](int rank) {
        return endpoint.watch().stage(old.member(rank)) == Stage::here;
    };
    int first = 0;
    while (!lives(first)) ++first;
    if (first != old.rank()) return;
    for (int rank = 0; rank < old.size(); ++rank) {
        if (lives(rank) && !has_come(record, rank)) return;
    }
    const auto block = endpoint.memory().take_block();
    if (!block) return;
    auto& decision = *reinterpret_cast<Decision*>(endpoint.memory().block(*block));
    decision.number = endpoint.take_contexts(1);
    for (int rank = 0; rank < old.size(); ++rank) {
        if (!lives(rank)) continue;
        decision.ranks[decision.members++] = rank;
    }
    std::uint32_t nothing = 0;
    record.decided.compare_exchange_strong(nothing, *block + 1, std::memory_order_seq_cst);
    for (const int member : old.members()) endpoint.memory().line(member).bell.ring_if_asleep();
}

}  // namespace

Communicator Communicator::shrink() {
    Endpoint::Lock lock(*endpoint_);
    const node::Context& old = *context_;
    CommunicatorRecord* const record = endpoint_->memory().record(old.number() / 2);
    if (record == nullptr) {
        throw std::system_error(ENOMEM, std::system_category(),
                                "onecopy: shrink: too many communicators were made before");
    }
    const auto own = static_cast<std::size_t>(old.rank());
    record->arrived[own / 32].fetch_or(1U << own % 32, std::memory_order_seq_cst);
    for (const int member : old.members()) endpoint_->memory().line(member).bell.ring_if_asleep();
    endpoint_->wait(lock, -1, [&] {
        if (record->decided.load(std::memory_order_seq_cst) != 0) return true;
        for (const int member : old.members()) endpoint_->watch().look_at(member);
        decide(*endpoint_, old, *record);
        return record->decided.load(std::memory_order_seq_cst) != 0;
    });
    const auto& decision = *reinterpret_cast<const Decision*>(
        endpoint_->memory().block(record->decided.load(std::memory_order_acquire) - 1));
    // All of the other members count each of us once.
    const node::Context& made = endpoint_->context(2 * decision.number);
    if (made.is_open() && made.owned.expired()) {
        throw std::system_error(EINVAL, std::system_category(),
                                "onecopy: shrink: this communicator was shrunk before, and what "
                                "came of it is destroyed; keep that, and shrink it in its turn");
    }
    std::vector<int> members;
    int place = 0;
    for (std::uint32_t i = 0; i < decision.members; ++i) {
        if (decision.ranks[i] == old.rank()) place = static_cast<int>(i);
        members.push_back(old.member(decision.ranks[i]));
    }
    return {*endpoint_, decision.number, members, place};
}

}  // namespace onecopy
