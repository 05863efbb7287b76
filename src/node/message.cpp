#include <utility>

#include "node/endpoint.hpp"
#include "onecopy/communicator.hpp"
#include "os/errors.hpp"

namespace onecopy {

void Message::Free::operator()(node::Arrived* arrived) const noexcept { delete arrived; }

Message::Message() noexcept = default;
Message::Message(Message&&) noexcept = default;
Message& Message::operator=(Message&& other) noexcept {
    Message old(std::move(*this));
    arrived_ = std::move(other.arrived_);
    endpoint_ = other.endpoint_;
    context_ = other.context_;
    status_ = other.status_;
    return *this;
}
Message::~Message() {
    if (!arrived_ || !endpoint_->is_this_process()) return;
    node::Endpoint::Lock lock(*endpoint_);
    endpoint_->drop(*arrived_);
}

Request Message::irecv(Segment into) {
    std::unique_ptr<node::Operation, Request::Free> operation(new node::Operation);
    operation->kind = node::Kind::receive;
    operation->context = context_;
    operation->peer = status_.source;
    operation->tag = status_.tag;
    operation->memory = node::Pieces(into);
    node::Endpoint::Lock lock(*endpoint_);
    endpoint_->receive(*operation, std::unique_ptr<node::Arrived>(arrived_.release()));
    status_ = {};
    return {*endpoint_, std::move(operation)};
}

Status Message::recv(Segment into, std::error_code& error) noexcept {
    try {
        return irecv(into).wait(error);
    } catch (const std::bad_alloc&) {
        error = os::no_memory();
        return {.error = error};
    }
}

Status Message::recv(Segment into) { return irecv(into).wait(); }

}  // namespace onecopy
