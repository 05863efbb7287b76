#include "onecopy/communicator.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>

#include "node/endpoint.hpp"
#include "os/errors.hpp"

namespace onecopy {
namespace {

using node::Endpoint;
using node::Kind;
using node::Operation;
using node::Pieces;

/// Tags of our own messages, in contexts that no user's message is in.
constexpr int gather_tag = 1, answer_tag = 2;

/// In the place of a communicator's number: there will be none, since not all came.
constexpr int somebody_left = -2;

void describe(Operation& operation, Kind kind, node::Context& context, Pieces memory, int peer,
              int tag) {
    operation.kind = kind;
    operation.context = &context;
    operation.memory = std::move(memory);
    operation.peer = peer;
    operation.tag = tag;
}

/// The rank in the job that an operation waits for; -1: any.
int awaited(const node::Context& context, int peer) noexcept {
    return context.has(peer) ? context.member(peer) : -1;
}

Status finish(Endpoint& endpoint, Endpoint::Lock& lock, Operation& operation) noexcept {
    endpoint.wait(lock, awaited(*operation.context, operation.peer),
                  [&] { return endpoint.is_done(operation); });
    return operation.status;
}

Status run(Endpoint& endpoint, Kind kind, node::Context& context, Pieces memory, int peer, int tag,
           bool synchronous = false) noexcept {
    Operation operation;
    describe(operation, kind, context, std::move(memory), peer, tag);
    operation.waits = true;
    operation.synchronous = synchronous;
    Endpoint::Lock lock(endpoint);
    endpoint.start(operation);
    return finish(endpoint, lock, operation);
}

/// Lists may need memory.
template <class List>
std::optional<Pieces> pieces_of(List list, std::error_code& error) noexcept {
    try {
        return Pieces(list);
    } catch (const std::bad_alloc&) {
        error = os::no_memory();
        return {};
    }
}

Status status_of(const node::Arrived& message) noexcept {
    Status status;
    status.source = message.source;
    status.tag = message.tag;
    status.bytes = message.bytes;
    return status;
}

}  // namespace

Communicator::Communicator(Endpoint& endpoint, std::uint32_t number,
                           const std::vector<int>& members, int rank)
    : Collectives(endpoint, endpoint.open(2 * number, members, rank),
                  endpoint.open(2 * number + 1, members, rank)) {
    opened_ = endpoint.keep_open(*context_);
}

int Communicator::rank() const noexcept { return context_->rank(); }
int Communicator::size() const noexcept { return context_->size(); }

void Communicator::send(ConstSegment bytes, int to, int tag, std::error_code& error) noexcept {
    {
        Endpoint::Lock lock(*endpoint_);
        error.clear();
        if (endpoint_->send_at_once(*context_, to, tag, bytes)) return;
    }
    error = run(*endpoint_, Kind::send, *context_, Pieces(bytes), to, tag).error;
}
void Communicator::send(std::span<const ConstSegment> pieces, int to, int tag,
                        std::error_code& error) noexcept {
    auto memory = pieces_of(pieces, error);
    if (memory) error = run(*endpoint_, Kind::send, *context_, std::move(*memory), to, tag).error;
}
void Communicator::ssend(ConstSegment bytes, int to, int tag, std::error_code& error) noexcept {
    error = run(*endpoint_, Kind::send, *context_, Pieces(bytes), to, tag, true).error;
}
void Communicator::ssend(ConstSegment bytes, int to, int tag) {
    std::error_code error;
    ssend(bytes, to, tag, error);
    os::throw_if(error, "onecopy: ssend");
}
Status Communicator::recv(Segment into, int from, int tag, std::error_code& error) noexcept {
    const Status status = run(*endpoint_, Kind::receive, *context_, Pieces(into), from, tag);
    error = status.error;
    return status;
}
Status Communicator::recv(std::span<const Segment> pieces, int from, int tag,
                          std::error_code& error) noexcept {
    auto memory = pieces_of(pieces, error);
    if (!memory) return {.error = error};
    const Status status = run(*endpoint_, Kind::receive, *context_, std::move(*memory), from, tag);
    error = status.error;
    return status;
}

void Communicator::send(ConstSegment bytes, int to, int tag) {
    std::error_code error;
    send(bytes, to, tag, error);
    os::throw_if(error, "onecopy: send");
}
void Communicator::send(std::span<const ConstSegment> pieces, int to, int tag) {
    std::error_code error;
    send(pieces, to, tag, error);
    os::throw_if(error, "onecopy: send");
}
Status Communicator::recv(Segment into, int from, int tag) {
    std::error_code error;
    const Status status = recv(into, from, tag, error);
    os::throw_if(error, "onecopy: recv");
    return status;
}
Status Communicator::recv(std::span<const Segment> pieces, int from, int tag) {
    std::error_code error;
    const Status status = recv(pieces, from, tag, error);
    os::throw_if(error, "onecopy: recv");
    return status;
}

Status Communicator::sendrecv(ConstSegment bytes, int to, int send_tag, Segment into, int from,
                              int recv_tag, std::error_code& error) noexcept {
    Operation receive, send;
    describe(receive, Kind::receive, *context_, Pieces(into), from, recv_tag);
    describe(send, Kind::send, *context_, Pieces(bytes), to, send_tag);
    send.waits = true;
    Endpoint::Lock lock(*endpoint_);
    endpoint_->start(receive);
    endpoint_->start(send);
    const std::error_code sent = finish(*endpoint_, lock, send).error;
    if (sent && endpoint_->cancel(receive)) {
        // Nothing of ours may stay posted when this returns.
        error = sent;
        return {.error = sent};
    }
    const Status status = finish(*endpoint_, lock, receive);
    error = sent ? sent : status.error;
    return status;
}
Status Communicator::sendrecv(ConstSegment bytes, int to, int send_tag, Segment into, int from,
                              int recv_tag) {
    std::error_code error;
    const Status status = sendrecv(bytes, to, send_tag, into, from, recv_tag, error);
    os::throw_if(error, "onecopy: sendrecv");
    return status;
}

Request Communicator::isend(ConstSegment bytes, int to, int tag) {
    {
        Endpoint::Lock lock(*endpoint_);
        if (endpoint_->send_at_once(*context_, to, tag, bytes)) return Request(*endpoint_);
    }
    Request request = send_init(bytes, to, tag);
    request.operation_->persistent = false;
    Endpoint::Lock lock(*endpoint_);
    endpoint_->start(*request.operation_);
    return request;
}
Request Communicator::issend(ConstSegment bytes, int to, int tag) {
    Request request = send_init(bytes, to, tag);
    request.operation_->persistent = false;
    request.operation_->synchronous = true;
    Endpoint::Lock lock(*endpoint_);
    endpoint_->start(*request.operation_);
    return request;
}
Request Communicator::isend(std::span<const ConstSegment> pieces, int to, int tag) {
    Request request = send_init({}, to, tag);
    request.operation_->persistent = false;
    request.operation_->memory = Pieces(pieces);
    Endpoint::Lock lock(*endpoint_);
    endpoint_->start(*request.operation_);
    return request;
}
Request Communicator::irecv(Segment into, int from, int tag) {
    Request request = recv_init(into, from, tag);
    request.operation_->persistent = false;
    Endpoint::Lock lock(*endpoint_);
    endpoint_->start(*request.operation_);
    return request;
}
Request Communicator::irecv(std::span<const Segment> pieces, int from, int tag) {
    Request request = recv_init({}, from, tag);
    request.operation_->persistent = false;
    request.operation_->memory = Pieces(pieces);
    Endpoint::Lock lock(*endpoint_);
    endpoint_->start(*request.operation_);
    return request;
}

Request Communicator::send_init(ConstSegment bytes, int to, int tag) {
    std::unique_ptr<Operation, Request::Free> operation(new Operation);
    describe(*operation, Kind::send, *context_, Pieces(bytes), to, tag);
    operation->persistent = true;
    return {*endpoint_, std::move(operation)};
}
Request Communicator::recv_init(Segment into, int from, int tag) {
    std::unique_ptr<Operation, Request::Free> operation(new Operation);
    describe(*operation, Kind::receive, *context_, Pieces(into), from, tag);
    operation->persistent = true;
    return {*endpoint_, std::move(operation)};
}

std::optional<Status> Communicator::iprobe(int from, int tag, std::error_code& error) noexcept {
    error.clear();
    Endpoint::Lock lock(*endpoint_);
    endpoint_->progress();
    const node::Arrived* const message = context_->matching().find(from, tag);
    if (message != nullptr) return status_of(*message);
    error = endpoint_->hopeless(*context_, from, tag);
    if (!error) endpoint_->rest();
    return {};
}
int Communicator::native_handle() {
    Endpoint::Lock lock(*endpoint_);
    return endpoint_->native_handle();
}
std::optional<Status> Communicator::iprobe(int from, int tag) {
    std::error_code error;
    const auto status = iprobe(from, tag, error);
    os::throw_if(error, "onecopy: iprobe");
    return status;
}

Status Communicator::probe(int from, int tag, std::error_code& error) noexcept {
    Endpoint::Lock lock(*endpoint_);
    const node::Arrived* message = nullptr;
    error.clear();
    endpoint_->wait(lock, awaited(*context_, from), [&] {
        message = context_->matching().find(from, tag);
        if (message == nullptr) error = endpoint_->hopeless(*context_, from, tag);
        return message != nullptr || error;
    });
    if (message == nullptr) return {.error = error};
    return status_of(*message);
}
Status Communicator::probe(int from, int tag) {
    std::error_code error;
    const Status status = probe(from, tag, error);
    os::throw_if(error, "onecopy: probe");
    return status;
}

std::optional<Message> Communicator::improbe(int from, int tag) {
    Endpoint::Lock lock(*endpoint_);
    endpoint_->progress();
    node::Arrived* const found = context_->matching().find(from, tag);
    if (found == nullptr) {
        os::throw_if(endpoint_->hopeless(*context_, from, tag), "onecopy: improbe");
        endpoint_->rest();
        return {};
    }
    Message message;
    message.status_ = status_of(*found);
    message.arrived_.reset(context_->matching().take(*found).release());
    message.endpoint_ = endpoint_;
    message.context_ = context_;
    return message;
}
Message Communicator::mprobe(int from, int tag) {
    for (;;) {
        probe(from, tag);
        // With several threads another one may have been faster.
        if (auto message = improbe(from, tag)) return std::move(*message);
    }
}

Communicator Communicator::dup() { return split(0, rank()); }

Communicator Communicator::split(int color, int key) {
    struct Choice {
        int color, key, rank;
    };
    const auto as_bytes = [](auto& list) { return std::as_writable_bytes(std::span(list)); };
    const Choice own{color, key, rank()};
    constexpr const char* what = "onecopy: split";
    const auto receive = [&](Segment into, int from, int tag) {
        os::throw_if(run(*endpoint_, Kind::receive, *inner_, Pieces(into), from, tag).error, what);
    };
    const auto send = [&](ConstSegment bytes, int to, int tag) {
        os::throw_if(run(*endpoint_, Kind::send, *inner_, Pieces(bytes), to, tag).error, what);
    };
    // Rank 0 hears all choices and tells everybody the number of his communicator and its members.
    std::vector<int> answer(static_cast<std::size_t>(size()) + 2);
    if (rank() != 0) {
        send(std::as_bytes(std::span(&own, 1)), 0, gather_tag);
        receive(as_bytes(answer), 0, answer_tag);
        if (answer[0] == somebody_left) os::throw_if(Errc::peer_left, what);
    } else {
        std::vector<Choice> choices(static_cast<std::size_t>(size()));
        choices[0] = own;
        std::error_code failure;
        for (int i = 1; i < size(); ++i) {
            const Segment into =
                std::as_writable_bytes(std::span(&choices[static_cast<std::size_t>(i)], 1));
            const std::error_code error =
                run(*endpoint_, Kind::receive, *inner_, Pieces(into), i, gather_tag).error;
            if (error) failure = error;
        }
        if (failure) {
            // The others wait for an answer.
            answer[0] = somebody_left;
            for (int i = 1; i < size(); ++i) {
                run(*endpoint_, Kind::send, *inner_, Pieces(ConstSegment(as_bytes(answer))), i,
                    answer_tag);
            }
            os::throw_if(failure, what);
        }
        std::sort(choices.begin(), choices.end(), [](const Choice& one, const Choice& other) {
            return std::tie(one.color, one.key, one.rank) <
                   std::tie(other.color, other.key, other.rank);
        });
        std::vector<int> ours;
        for (auto first = choices.begin(); first != choices.end();) {
            const auto last = std::find_if(first, choices.end(), [&](const Choice& each) {
                return each.color != first->color;
            });
            std::vector<int> group(static_cast<std::size_t>(size()) + 2, -1);
            if (first->color >= 0) {
                group[0] = static_cast<int>(endpoint_->take_contexts(1));
                group[1] = static_cast<int>(last - first);
                std::transform(first, last, group.begin() + 2,
                               [](const Choice& each) { return each.rank; });
            }
            for (; first != last; ++first) {
                if (first->rank == 0) {
                    ours = group;
                } else {
                    send(std::as_bytes(std::span(group)), first->rank, answer_tag);
                }
            }
        }
        answer = ours;
    }
    if (answer[0] < 0) return {};
    std::vector<int> members;
    int place = 0;
    for (int i = 0; i < answer[1]; ++i) {
        const int member = answer[static_cast<std::size_t>(i) + 2];
        if (member == rank()) place = i;
        members.push_back(context_->member(member));
    }
    Endpoint::Lock lock(*endpoint_);
    return {*endpoint_, static_cast<std::uint32_t>(answer[0]), members, place};
}

}  // namespace onecopy
