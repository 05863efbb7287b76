// Messages from C, the calls that wait or look: sending, receiving, probing, views.
#include <memory>

#include "c_api/node_handles.hpp"
#include "c_api/pieces.hpp"

using namespace onecopy;
using namespace onecopy::c_api;

namespace {

/// Of a call that fills both.
int report(const Status& found, const std::error_code& error, onecopy_status* status) noexcept {
    put(status, found);
    return number_of(error);
}

/// Of one that may find nothing.
int report_found(const std::optional<Status>& found, const std::error_code& error,
                 onecopy_status* status) noexcept {
    if (found) put(status, *found);
    return error ? number_of(error) : found ? 1 : 0;
}

/// Finds a message by `find`, which gives an optional, for a handle that is made before.
template <class Find>
int find_message(onecopy_comm* comm, onecopy_message** message, onecopy_status* status,
                 const Find& find) noexcept {
    if (message == nullptr) return -EINVAL;
    *message = nullptr;
    if (comm == nullptr) return -EINVAL;
    return guarded([&] {
        auto handle = std::make_unique<onecopy_message>(comm->part.node());
        std::optional<Message> found = find(*comm->communicator);
        if (!found) return 0;
        handle->message = std::move(*found);
        put(status, handle->message.status());
        *message = handle.release();
        return 1;
    });
}

}  // namespace

extern "C" {

int onecopy_send(onecopy_comm* comm, const void* memory, size_t bytes, int to, int tag) {
    if (comm == nullptr || !sound(memory, bytes)) return -EINVAL;
    return guarded([&] {
        std::error_code error;
        comm->communicator->send(to_send(memory, bytes), to, tag, error);
        return number_of(error);
    });
}

int onecopy_ssend(onecopy_comm* comm, const void* memory, size_t bytes, int to, int tag) {
    if (comm == nullptr || !sound(memory, bytes)) return -EINVAL;
    return guarded([&] {
        std::error_code error;
        comm->communicator->ssend(to_send(memory, bytes), to, tag, error);
        return number_of(error);
    });
}

int onecopy_recv(onecopy_comm* comm, void* memory, size_t bytes, int from, int tag,
                 onecopy_status* status) {
    if (comm == nullptr || !sound(memory, bytes)) return -EINVAL;
    return guarded([&] {
        std::error_code error;
        const Status got = comm->communicator->recv(to_receive(memory, bytes), from, tag, error);
        return report(got, error, status);
    });
}

int onecopy_sendv(onecopy_comm* comm, const iovec* pieces, size_t count, int to, int tag) {
    if (comm == nullptr) return -EINVAL;
    return guarded([&] {
        return with_pieces_to_send(pieces, count, [&](std::span<const ConstSegment> list) {
            std::error_code error;
            comm->communicator->send(list, to, tag, error);
            return number_of(error);
        });
    });
}

int onecopy_recvv(onecopy_comm* comm, const iovec* pieces, size_t count, int from, int tag,
                  onecopy_status* status) {
    if (comm == nullptr) return -EINVAL;
    return guarded([&] {
        return with_pieces_to_receive(pieces, count, [&](std::span<const Segment> list) {
            std::error_code error;
            const Status got = comm->communicator->recv(list, from, tag, error);
            return report(got, error, status);
        });
    });
}

int onecopy_sendrecv(onecopy_comm* comm, const void* send_memory, size_t send_bytes, int to,
                     int send_tag, void* recv_memory, size_t recv_bytes, int from, int recv_tag,
                     onecopy_status* status) {
    if (comm == nullptr || !sound(send_memory, send_bytes) || !sound(recv_memory, recv_bytes)) {
        return -EINVAL;
    }
    return guarded([&] {
        std::error_code error;
        const Status got = comm->communicator->sendrecv(
            to_send(send_memory, send_bytes), to, send_tag, to_receive(recv_memory, recv_bytes),
            from, recv_tag, error);
        return report(got, error, status);
    });
}

int onecopy_probe(onecopy_comm* comm, int from, int tag, onecopy_status* status) {
    if (comm == nullptr) return -EINVAL;
    return guarded([&] {
        std::error_code error;
        const Status found = comm->communicator->probe(from, tag, error);
        return report(found, error, status);
    });
}

int onecopy_iprobe(onecopy_comm* comm, int from, int tag, onecopy_status* status) {
    if (comm == nullptr) return -EINVAL;
    return guarded([&] {
        std::error_code error;
        const std::optional<Status> found = comm->communicator->iprobe(from, tag, error);
        return report_found(found, error, status);
    });
}

int onecopy_mprobe(onecopy_comm* comm, int from, int tag, onecopy_message** message,
                   onecopy_status* status) {
    const int found = find_message(comm, message, status, [&](Communicator& communicator) {
        return std::optional(communicator.mprobe(from, tag));
    });
    return found > 0 ? 0 : found;
}

int onecopy_improbe(onecopy_comm* comm, int from, int tag, onecopy_message** message,
                    onecopy_status* status) {
    return find_message(comm, message, status, [&](Communicator& communicator) {
        return communicator.improbe(from, tag);
    });
}

int onecopy_mrecv(onecopy_message** message, void* memory, size_t bytes, onecopy_status* status) {
    if (message == nullptr || *message == nullptr || !sound(memory, bytes)) return -EINVAL;
    return guarded([&] {
        std::error_code error;
        const Status got = (*message)->message.recv(to_receive(memory, bytes), error);
        if ((*message)->message.empty()) free_handle(message);
        return report(got, error, status);
    });
}

int onecopy_message_free(onecopy_message** message) { return free_handle(message); }

int onecopy_recv_view(onecopy_comm* comm, int from, int tag, onecopy_view** view,
                      onecopy_status* status) {
    if (view == nullptr) return -EINVAL;
    *view = nullptr;
    if (comm == nullptr) return -EINVAL;
    return guarded([&] {
        auto handle = std::make_unique<onecopy_view>(comm->part.node());
        handle->view = comm->communicator->recv_view(from, tag);
        put(status, handle->view.status());
        *view = handle.release();
        return 0;
    });
}

const void* onecopy_view_data(const onecopy_view* view) {
    return view == nullptr ? nullptr : view->view.bytes().data();
}

size_t onecopy_view_bytes(const onecopy_view* view) {
    return view == nullptr ? 0 : view->view.bytes().size();
}

int onecopy_view_in_place(const onecopy_view* view) {
    return view == nullptr ? -EINVAL : view->view.in_place() ? 1 : 0;
}

int onecopy_view_free(onecopy_view** view) { return free_handle(view); }

}  // extern "C"
