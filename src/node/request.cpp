#include "onecopy/request.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "node/endpoint.hpp"

namespace onecopy {

/// What the functions on several requests have in common, all of one node.
class Requests {
public:
    template <class Enough, class Take>
    static void run(std::span<Request> requests, bool wait, const Enough& enough, const Take& take);
    static bool any_done(std::span<Request> requests) noexcept;
    static bool all_done(std::span<Request> requests) noexcept;
    static std::vector<Finished> take_done(std::span<Request> requests);
    static std::vector<Finished> some(std::span<Request> requests, bool wait);
    static std::optional<std::size_t> any(std::span<Request> requests, bool wait, Status* status,
                                          const char* what);
};

using node::Endpoint;
using node::Progress;

void Request::Free::operator()(node::Operation* operation) const noexcept { delete operation; }

Request::Request() noexcept = default;
Request::Request(Request&& other) noexcept
    : endpoint_(other.endpoint_),
      operation_(std::move(other.operation_)),
      sent_(std::exchange(other.sent_, false)) {}
Request::Request(Endpoint& endpoint, std::unique_ptr<node::Operation, Free> operation) noexcept
    : endpoint_(&endpoint), operation_(std::move(operation)) {}

Request& Request::operator=(Request&& other) noexcept {
    Request old(std::move(*this));
    endpoint_ = other.endpoint_;
    operation_ = std::move(other.operation_);
    sent_ = std::exchange(other.sent_, false);
    return *this;
}

void Request::give_up() noexcept {
    // In a forked child nothing of it is at work, and the memory is not here.
    if (!active() || !endpoint_->is_this_process()) return;
    cancel();
    std::error_code error;
    wait(error);
}

bool Request::active() const noexcept {
    return sent_ || (operation_ && operation_->progress != Progress::idle);
}

Status Request::take(std::error_code& error) noexcept {
    if (sent_) {
        sent_ = false;
        error.clear();
        return {};
    }
    const Status status = operation_->status;
    operation_->progress = Progress::idle;
    if (!operation_->persistent) operation_.reset();
    error = status.error;
    return status;
}

Status Request::wait(std::error_code& error) noexcept {
    error.clear();
    if (!active()) return {};
    if (sent_) return take(error);
    node::Operation& operation = *operation_;
    const node::Context& context = *operation.context;
    {
        Endpoint::Lock lock(*endpoint_);
        endpoint_->wait(lock, context.has(operation.peer) ? context.member(operation.peer) : -1,
                        [&] { return endpoint_->is_done(operation); });
    }
    return take(error);
}

Status Request::wait() {
    std::error_code error;
    const Status status = wait(error);
    if (error) throw std::system_error(error, "onecopy: wait");
    return status;
}

std::optional<Status> Request::test(std::error_code& error) noexcept {
    error.clear();
    if (!active()) return Status{};
    {
        Endpoint::Lock lock(*endpoint_);
        endpoint_->progress();
        if (!is_done()) {
            endpoint_->rest();
            return {};
        }
    }
    return take(error);
}

std::optional<Status> Request::test() {
    std::error_code error;
    const auto status = test(error);
    if (error) throw std::system_error(error, "onecopy: test");
    return status;
}

bool Request::cancel() noexcept {
    if (sent_ || !active()) return false;
    Endpoint::Lock lock(*endpoint_);
    return endpoint_->cancel(*operation_);
}

void Request::start() {
    if (!operation_ || !operation_->persistent || active()) {
        throw std::logic_error("onecopy: start a request that is active or not persistent");
    }
    Endpoint::Lock lock(*endpoint_);
    endpoint_->start(*operation_);
}

bool Request::is_done() noexcept { return sent_ || endpoint_->is_done(*operation_); }

/// Looks at those that are active, or waits until `enough` says so of them; then takes what is
/// done.
template <class Enough, class Take>
void Requests::run(std::span<Request> requests, bool wait, const Enough& enough, const Take& take) {
    const auto first = std::find_if(requests.begin(), requests.end(),
                                    [](const Request& each) { return each.active(); });
    if (first == requests.end()) return;
    Endpoint& endpoint = *first->endpoint_;
    Endpoint::Lock lock(endpoint);
    if (wait) {
        endpoint.wait(lock, -1, enough);
    } else if (!endpoint.progress() && !enough()) {
        endpoint.rest();
    }
    take();
}

std::vector<Finished> Requests::take_done(std::span<Request> requests) {
    std::vector<Finished> all;
    all.reserve(requests.size());  // before any is taken: a status must not be lost
    for (std::size_t i = 0; i < requests.size(); ++i) {
        if (!requests[i].active() || !requests[i].is_done()) continue;
        std::error_code error;
        all.push_back({i, requests[i].take(error)});
    }
    return all;
}

bool Requests::any_done(std::span<Request> requests) noexcept {
    return std::any_of(requests.begin(), requests.end(),
                       [](Request& each) { return each.active() && each.is_done(); });
}

bool Requests::all_done(std::span<Request> requests) noexcept {
    return std::all_of(requests.begin(), requests.end(),
                       [](Request& each) { return !each.active() || each.is_done(); });
}

std::vector<Status> wait_all(std::span<Request> requests) {
    // One after the other: who is done does not have to be looked at again.
    std::vector<Status> statuses;
    statuses.reserve(requests.size());
    for (Request& each : requests) {
        std::error_code error;
        statuses.push_back(each.wait(error));
    }
    return statuses;
}

std::vector<Finished> Requests::some(std::span<Request> requests, bool wait) {
    std::vector<Finished> done;
    run(
        requests, wait, [&] { return any_done(requests); }, [&] { done = take_done(requests); });
    return done;
}

std::vector<Finished> wait_some(std::span<Request> requests) {
    return Requests::some(requests, true);
}

std::vector<Finished> test_some(std::span<Request> requests) {
    return Requests::some(requests, false);
}

bool test_all(std::span<Request> requests, std::vector<Status>& statuses) {
    bool all = true;
    Requests::run(
        requests, false, [&] { return Requests::all_done(requests); },
        [&] { all = Requests::all_done(requests); });
    if (all) statuses = wait_all(requests);
    return all;
}

std::optional<std::size_t> Requests::any(std::span<Request> requests, bool wait, Status* status,
                                         const char* what) {
    std::vector<Finished> done;
    const auto take = [&] {
        for (std::size_t i = 0; i < requests.size() && done.empty(); ++i) {
            if (!requests[i].active() || !requests[i].is_done()) continue;
            std::error_code error;
            done.push_back({i, requests[i].take(error)});
        }
    };
    done.reserve(1);
    run(
        requests, wait, [&] { return any_done(requests); }, take);
    if (done.empty()) return {};
    if (status != nullptr) *status = done[0].status;
    if (done[0].status.error) throw std::system_error(done[0].status.error, what);
    return done[0].index;
}

std::optional<std::size_t> wait_any(std::span<Request> requests, Status* status) {
    return Requests::any(requests, true, status, "onecopy: wait_any");
}

std::optional<std::size_t> test_any(std::span<Request> requests, Status* status) {
    return Requests::any(requests, false, status, "onecopy: test_any");
}

}  // namespace onecopy
