// Requests from C: beginning them, and waiting for one.
#include <optional>

#include "c_api/node_handles.hpp"
#include "c_api/pieces.hpp"
#include "onecopy/request.hpp"

using namespace onecopy;
using namespace onecopy::c_api;

namespace {

using BeginSend = Request (Communicator::*)(ConstSegment, int, int);

int begin_send(onecopy_comm* comm, const void* memory, std::size_t bytes, int to, int tag,
               BeginSend begin, bool persistent, onecopy_request** request) noexcept {
    if (!can_begin(comm, request) || !sound(memory, bytes)) return -EINVAL;
    return guarded([&] {
        return make_request(comm->part.node(), persistent, request, [&] {
            return (*comm->communicator.*begin)(to_send(memory, bytes), to, tag);
        });
    });
}

int begin_receive(onecopy_comm* comm, void* memory, std::size_t bytes, int from, int tag,
                  bool persistent, onecopy_request** request) noexcept {
    if (!can_begin(comm, request) || !sound(memory, bytes)) return -EINVAL;
    return guarded([&] {
        return make_request(comm->part.node(), persistent, request, [&] {
            const Segment segment = to_receive(memory, bytes);
            return persistent ? comm->communicator->recv_init(segment, from, tag)
                              : comm->communicator->irecv(segment, from, tag);
        });
    });
}

}  // namespace

extern "C" {

int onecopy_isend(onecopy_comm* comm, const void* memory, size_t bytes, int to, int tag,
                  onecopy_request** request) {
    return begin_send(comm, memory, bytes, to, tag, &Communicator::isend, false, request);
}

int onecopy_issend(onecopy_comm* comm, const void* memory, size_t bytes, int to, int tag,
                   onecopy_request** request) {
    return begin_send(comm, memory, bytes, to, tag, &Communicator::issend, false, request);
}

int onecopy_irecv(onecopy_comm* comm, void* memory, size_t bytes, int from, int tag,
                  onecopy_request** request) {
    return begin_receive(comm, memory, bytes, from, tag, false, request);
}

int onecopy_send_init(onecopy_comm* comm, const void* memory, size_t bytes, int to, int tag,
                      onecopy_request** request) {
    return begin_send(comm, memory, bytes, to, tag, &Communicator::send_init, true, request);
}

int onecopy_recv_init(onecopy_comm* comm, void* memory, size_t bytes, int from, int tag,
                      onecopy_request** request) {
    return begin_receive(comm, memory, bytes, from, tag, true, request);
}

int onecopy_isendv(onecopy_comm* comm, const iovec* pieces, size_t count, int to, int tag,
                   onecopy_request** request) {
    if (!can_begin(comm, request)) return -EINVAL;
    return guarded([&] {
        return with_pieces_to_send(pieces, count, [&](std::span<const ConstSegment> list) {
            return make_request(comm->part.node(), false, request,
                                [&] { return comm->communicator->isend(list, to, tag); });
        });
    });
}

int onecopy_irecvv(onecopy_comm* comm, const iovec* pieces, size_t count, int from, int tag,
                   onecopy_request** request) {
    if (!can_begin(comm, request)) return -EINVAL;
    return guarded([&] {
        return with_pieces_to_receive(pieces, count, [&](std::span<const Segment> list) {
            return make_request(comm->part.node(), false, request,
                                [&] { return comm->communicator->irecv(list, from, tag); });
        });
    });
}

int onecopy_imrecv(onecopy_message** message, void* memory, size_t bytes,
                   onecopy_request** request) {
    if (request != nullptr) *request = nullptr;
    if (message == nullptr || *message == nullptr || request == nullptr || !sound(memory, bytes)) {
        return -EINVAL;
    }
    return guarded([&] {
        make_request((*message)->part.node(), false, request,
                     [&] { return (*message)->message.irecv(to_receive(memory, bytes)); });
        return free_handle(message);
    });
}

int onecopy_start(onecopy_request* request) {
    if (request == nullptr || !request->persistent) return -EINVAL;
    if (request->request.active()) return -EBUSY;
    return guarded([&] {
        request->request.start();
        return 0;
    });
}

int onecopy_wait(onecopy_request** request, onecopy_status* status) {
    if (request == nullptr) return -EINVAL;
    return guarded([&] {
        std::error_code error;
        put(status, *request == nullptr ? Status{} : (*request)->request.wait(error));
        free_if_done(*request);
        return number_of(error);
    });
}

int onecopy_test(onecopy_request** request, onecopy_status* status) {
    if (request == nullptr) return -EINVAL;
    return guarded([&] {
        std::error_code error;
        std::optional<Status> done = Status{};
        if (*request != nullptr) done = (*request)->request.test(error);
        if (!done) return 0;
        put(status, *done);
        free_if_done(*request);
        return error ? number_of(error) : 1;
    });
}

int onecopy_cancel(onecopy_request* request) {
    if (request == nullptr) return -EINVAL;
    return guarded([&] { return request->request.cancel() ? 1 : 0; });
}

int onecopy_request_free(onecopy_request** request) { return free_handle(request); }

}  // extern "C"
