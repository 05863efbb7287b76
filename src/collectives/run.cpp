// Which way a call goes, and waiting for it.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "collectives/flat_call.hpp"
#include "collectives/group.hpp"
#include "collectives/large_call.hpp"
#include "collectives/parts_call.hpp"
#include "collectives/prepared.hpp"
#include "collectives/refusal.hpp"
#include "onecopy/collectives.hpp"
#include "os/errors.hpp"
#include "os/pause.hpp"

namespace onecopy {
namespace collectives {
namespace {

using node::Endpoint;
using node::Work;

/// Looks before other things are looked after as well: some microseconds.
constexpr unsigned looks = 200;

/// Whether a call needs no board: known alike at all ranks, whatever else they disagree on.
/// Elements that are too large for the frames of so many ranks go so.
bool goes_by_messages(const Prepared& prepared, int ranks) noexcept {
    constexpr std::uint64_t largest_grain = std::uint64_t{4} << 10;
    const std::uint64_t room = Group::frame_bytes_each / static_cast<std::uint64_t>(ranks);
    return prepared.by_parts || prepared.call.grain() > std::min(largest_grain, room);
}

/// Of a communicator; made at its first call. Null: no memory, and the others were told so.
Group* group_of(Endpoint& endpoint, node::Context& context) noexcept {
    if (!context.above) {
        try {
            context.above = std::make_shared<Group>(endpoint, context);
        } catch (const std::bad_alloc&) {
            Group::refuse(endpoint, context);
            return nullptr;
        }
    }
    return static_cast<Group*>(context.above.get());
}

/// Waits for a call that is nobody's request.
std::error_code wait_for(Work& work, Group& group, Endpoint::Lock& lock) noexcept {
    Endpoint& endpoint = group.endpoint();
    const unsigned most = endpoint.crowded() ? 1 : looks;
    for (unsigned round = 0; round < most; ++round) {
        work.advance();
        if (work.is_over()) return work.error();
        os::pause();
    }
    group.begin_to_wait();
    endpoint.begin(work);
    endpoint.wait(lock, -1, [&] { return work.is_over(); });
    group.end_to_wait();
    return work.error();
}

/// What a call begins with.
struct Start {
    Group* group = nullptr;  ///< null: there was no memory for one
    bool by_messages = false;
    std::error_code error;  ///< why it cannot be begun
};
Start start_of(Endpoint& endpoint, node::Context& context, const Prepared& prepared) noexcept {
    Group* const group = group_of(endpoint, context);
    if (group == nullptr) return {nullptr, false, os::no_memory()};
    const bool by_messages = goes_by_messages(prepared, group->size());
    return {group, by_messages, by_messages ? context.broken : group->broken()};
}

/// A reduction, in equal parts.
std::unique_ptr<Work> make_parts_call(Group& group, node::Context& inner,
                                      const Prepared& prepared) {
    Prepared in_parts = prepared;
    const auto ranks = static_cast<std::size_t>(group.size());
    const auto bytes = static_cast<std::size_t>(prepared.call.bytes);
    const bool scatters = prepared.call.what == Collective::reduce_scatter;
    in_parts.by_parts = true;
    in_parts.to_bytes = bytes;
    in_parts.from_bytes = scatters ? bytes * ranks : bytes;
    const std::vector<std::size_t> parts(ranks, bytes);  // looked at while the call is made only
    if (scatters) in_parts.from_parts.bytes = parts;
    return std::make_unique<PartsCall>(group, inner, in_parts);
}

/// What does not fit on a stack, or into a slot.
std::unique_ptr<Work> make_work(const Start& start, node::Context& inner,
                                const Prepared& prepared) {
    Group& group = *start.group;
    if (prepared.by_parts) return std::make_unique<PartsCall>(group, inner, prepared);
    if (start.by_messages) return make_parts_call(group, inner, prepared);
    if (prepared.error) return std::make_unique<Refusal>(group, prepared.error);
    if (is_flat(prepared.call, group.size())) {
        return std::make_unique<FlatCall>(group, prepared.call);
    }
    return std::make_unique<LargeCall>(group, prepared.call);
}

/// A call that goes on while others wait for others: its end is the end of the waiting too. The
/// program may have destroyed the communicator by then.
class Request final : public Work {
public:
    Request(std::shared_ptr<Group> group, std::unique_ptr<Work> work) noexcept
        : group_(std::move(group)), work_(std::move(work)) {
        group_->begin_to_wait();
    }
    bool advance() noexcept override {
        if (is_over()) return false;
        const bool any = work_->advance();
        if (work_->is_over()) {
            group_->end_to_wait();
            end(work_->error());
            work_.reset();
            group_.reset();
        }
        return any;
    }

private:
    std::shared_ptr<Group> group_;
    std::unique_ptr<Work> work_;
};

}  // namespace
}  // namespace collectives

using collectives::Group;
using collectives::Prepared;

std::error_code Collectives::call(const Prepared& prepared) noexcept {
    node::Endpoint::Lock lock(*endpoint_);
    const auto start = collectives::start_of(*endpoint_, *context_, prepared);
    if (start.error) return start.error;
    Group& group = *start.group;
    if (!prepared.error && !start.by_messages &&
        collectives::is_flat(prepared.call, group.size())) {
        collectives::FlatCall work(group, prepared.call);
        return collectives::wait_for(work, group, lock);
    }
    try {
        const auto work = collectives::make_work(start, *inner_, prepared);
        return collectives::wait_for(*work, group, lock);
    } catch (const std::bad_alloc&) {
        // The others have begun it: they must not wait for us.
        group.fail(os::no_memory());
        return os::no_memory();
    }
}

Request Collectives::begin(const Prepared& prepared) {
    node::Endpoint::Lock lock(*endpoint_);
    const auto start = collectives::start_of(*endpoint_, *context_, prepared);
    if (start.group == nullptr) throw std::bad_alloc();
    std::unique_ptr<node::Operation, Request::Free> operation(new (std::nothrow) node::Operation);
    if (!operation) {
        start.group->fail(os::no_memory());
        throw std::bad_alloc();
    }
    operation->kind = node::Kind::collective;
    operation->context = context_;
    if (start.error) {
        operation->finish(start.error);
        return {*endpoint_, std::move(operation)};
    }
    try {
        operation->work = std::make_unique<collectives::Request>(
            std::static_pointer_cast<Group>(context_->above),
            collectives::make_work(start, *inner_, prepared));
    } catch (const std::bad_alloc&) {
        start.group->fail(os::no_memory());
        throw;
    }
    operation->progress = node::Progress::working;
    operation->work->advance();
    if (operation->work->is_over()) {
        operation->finish(operation->work->error());
    } else {
        endpoint_->begin(*operation->work);
    }
    return {*endpoint_, std::move(operation)};
}

}  // namespace onecopy
