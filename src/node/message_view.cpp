#include "onecopy/message_view.hpp"

#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include "node/endpoint.hpp"
#include "onecopy/communicator.hpp"

namespace onecopy {

using node::Endpoint;

struct MessageView::State {
    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (endpoint == nullptr || !endpoint->is_this_process()) return;
        Endpoint::Lock lock(*endpoint);
        endpoint->let_go(source);
    }

    Status status;
    std::vector<std::byte> copy;
    View view;
    Endpoint* endpoint = nullptr;  // if it is in place
    node::Source source;
};

MessageView::MessageView() noexcept = default;
MessageView::MessageView(MessageView&&) noexcept = default;
MessageView& MessageView::operator=(MessageView&&) noexcept = default;
MessageView::~MessageView() = default;

std::span<const std::byte> MessageView::bytes() const noexcept {
    if (!state_) return {};
    return in_place() ? std::span<const std::byte>(state_->view.bytes())
                      : std::span<const std::byte>(state_->copy);
}
const Status& MessageView::status() const noexcept {
    static const Status none;
    return state_ ? state_->status : none;
}
bool MessageView::in_place() const noexcept { return state_ && state_->endpoint != nullptr; }

MessageView Communicator::recv_view(int from, int tag) {
    MessageView result;
    result.state_ = std::make_unique<MessageView::State>();
    MessageView::State& state = *result.state_;
    Message message = mprobe(from, tag);
    state.status = message.status();
    {
        Endpoint::Lock lock(*endpoint_);
        state.view = endpoint_->hold(*message.arrived_);
        if (state.view.bytes().size() == state.status.bytes && state.status.bytes > 0) {
            state.endpoint = endpoint_;
            state.source = std::move(message.arrived_->at);
            message.arrived_.reset();
            return result;
        }
    }
    state.copy.resize(static_cast<std::size_t>(state.status.bytes));
    state.status = message.recv(state.copy);
    return result;
}

}  // namespace onecopy
