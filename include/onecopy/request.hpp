// A send or a receive that goes on while the caller does something else.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "onecopy/status.hpp"

namespace onecopy {

namespace node {
class Endpoint;
struct Operation;
}  // namespace node

/// What isend(), irecv() and their like give back. Movable; one thread at a time.
///
/// The memory named in the call belongs to the message until the request is done: not to be
/// written for a send, not to be touched for a receive. It makes progress when any call of its node
/// waits or tests. Destroying it while it is active takes a receive without a message back, and
/// waits for everything else. Must not outlive its Node.
class Request {
public:
    Request() noexcept;
    Request(Request&&) noexcept;
    Request& operator=(Request&&) noexcept;
    ~Request() {
        if (operation_) give_up();
    }

    /// Whether it was begun and not yet waited for. A persistent request is not active between two
    /// rounds, any other is never again.
    [[nodiscard]] bool active() const noexcept;

    /// Waits until it is done. The status of a request that is not active is empty. Throws
    /// std::system_error with what stopped the message; the overload reports it in the status only.
    Status wait();
    Status wait(std::error_code& error) noexcept;

    /// Its status if it is done, and then as after wait(); nothing if not.
    std::optional<Status> test();
    std::optional<Status> test(std::error_code& error) noexcept;

    /// Takes back a receive that has no message yet: it is done then, with Errc::cancelled. False
    /// if it has one, and for sends, which are never taken back. It is still to be waited for.
    /// Source: MPI 4.0, section 3.8.4.
    bool cancel() noexcept;

    /// Begins the next round of a persistent request (send_init(), recv_init()). Throws
    /// std::logic_error if it is active or not persistent.
    void start();

    /// For the layers above.
    [[nodiscard]] node::Operation* operation() const noexcept { return operation_.get(); }

private:
    friend class Collectives;
    friend class Communicator;
    friend class Message;
    friend class Requests;
    struct Free {
        void operator()(node::Operation* operation) const noexcept;
    };
    Request(node::Endpoint& endpoint, std::unique_ptr<node::Operation, Free> operation) noexcept;
    /// A send that is over already.
    explicit Request(node::Endpoint& endpoint) noexcept : endpoint_(&endpoint), sent_(true) {}

    void give_up() noexcept;
    /// Of one that is done.
    Status take(std::error_code& error) noexcept;
    [[nodiscard]] bool is_done() noexcept;

    node::Endpoint* endpoint_ = nullptr;
    std::unique_ptr<node::Operation, Free> operation_;
    bool sent_ = false;  // and waited for not yet; there is no operation then
};

/// Waits until all are done. The statuses in the order of the requests, each with its error;
/// nothing is thrown for these.
std::vector<Status> wait_all(std::span<Request> requests);

/// Waits until one of the active ones is done: which; nothing if none is active. `status` may be
/// null. Throws what stopped it.
std::optional<std::size_t> wait_any(std::span<Request> requests, Status* status = nullptr);

/// What one that is done.
struct Finished {
    std::size_t index;
    Status status;
};
/// Waits until at least one of the active ones is done; all that are. Empty if none is active.
std::vector<Finished> wait_some(std::span<Request> requests);

/// The same without waiting.
bool test_all(std::span<Request> requests, std::vector<Status>& statuses);
std::optional<std::size_t> test_any(std::span<Request> requests, Status* status = nullptr);
std::vector<Finished> test_some(std::span<Request> requests);

}  // namespace onecopy
