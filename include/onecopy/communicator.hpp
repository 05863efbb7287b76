// Ranks of one machine that send each other messages.
//
// A message goes the shortest way there is: a small one inline through a ring that both share, a
// large one straight from the sender's memory into the receiver's, copied once, by both sides if
// both are there. Memory from the node's arena needs no system call for that.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <system_error>

#include "onecopy/collectives.hpp"
#include "onecopy/elements.hpp"
#include "onecopy/error.hpp"
#include "onecopy/message_view.hpp"
#include "onecopy/request.hpp"
#include "onecopy/status.hpp"
#include "onecopy/transfer.hpp"

namespace onecopy {

class Communicator;

namespace node {
class Context;
class Endpoint;
struct Arrived;
}  // namespace node

/// A message that was found and taken out of the queue: nobody else receives it. Movable. To be
/// received: a large one keeps its sender waiting until then, and until this is destroyed.
/// Source: MPI 4.0, section 3.8.2, "Matching Probe".
class Message {
public:
    Message() noexcept;
    Message(Message&&) noexcept;
    Message& operator=(Message&&) noexcept;
    ~Message();

    [[nodiscard]] bool empty() const noexcept { return !arrived_; }
    /// What it is; empty once it was received.
    [[nodiscard]] const Status& status() const noexcept { return status_; }

    Status recv(Segment into);
    Status recv(Segment into, std::error_code& error) noexcept;
    Request irecv(Segment into);

private:
    friend class Communicator;
    struct Free {
        void operator()(node::Arrived* arrived) const noexcept;
    };
    std::unique_ptr<node::Arrived, Free> arrived_;
    node::Endpoint* endpoint_ = nullptr;
    node::Context* context_ = nullptr;
    Status status_;
};

/// A group of ranks. The ones a Node gives and those made from it; must not outlive the Node.
/// Movable.
///
/// Messages of one communicator are never seen in another. Between two ranks those that a receive
/// could take arrive in the order they were sent. What MPI 4.0, chapter 3, says of point-to-point
/// communication holds here; ranks that are equal in all ways to MPI's are called as there.
///
/// Calls without a std::error_code throw std::system_error; those with one report there.
/// Errors: Errc::peer_died, a rank of this communicator has ended (all that waits here ends with
/// it, and nothing can be begun any more: shrink()); Errc::peer_left, the other rank has left the
/// job; Errc::truncated; Errc::bad_rank; Errc::bad_tag; EFAULT, a page of either side cannot be
/// read or written (of messages above 64 KiB: smaller ones, and memory that was good before, may be
/// copied by the processor, and then a bad address is a signal, as in memcpy); ENOMEM, no memory
/// for what is on its way.
///
/// One thread at a time, unless the Node was made for threads.
class Communicator : public Collectives {
public:
    Communicator() noexcept = default;

    [[nodiscard]] int rank() const noexcept;
    [[nodiscard]] int size() const noexcept;
    [[nodiscard]] bool empty() const noexcept { return endpoint_ == nullptr; }

    /// Sends the bytes to rank `to`. Returns when they may be changed again: small ones were copied
    /// then, large ones received.
    void send(ConstSegment bytes, int to, int tag = 0);
    void send(ConstSegment bytes, int to, int tag, std::error_code& error) noexcept;
    /// The same from scattered memory, in this order.
    void send(std::span<const ConstSegment> pieces, int to, int tag = 0);
    void send(std::span<const ConstSegment> pieces, int to, int tag,
              std::error_code& error) noexcept;

    /// The same, and returns only when a receive has taken the message, however small.
    /// Source: MPI 4.0, section 3.4, "Communication Modes" (synchronous).
    void ssend(ConstSegment bytes, int to, int tag = 0);
    void ssend(ConstSegment bytes, int to, int tag, std::error_code& error) noexcept;

    /// Receives a message from `from` (or any_source) with `tag` (or any_tag). If it is longer than
    /// the memory, that is filled and the error is Errc::truncated.
    Status recv(Segment into, int from = any_source, int tag = any_tag);
    Status recv(Segment into, int from, int tag, std::error_code& error) noexcept;
    Status recv(std::span<const Segment> pieces, int from = any_source, int tag = any_tag);
    Status recv(std::span<const Segment> pieces, int from, int tag,
                std::error_code& error) noexcept;

    /// Both at once: neither waits for the other.
    Status sendrecv(ConstSegment bytes, int to, int send_tag, Segment into, int from, int recv_tag);
    Status sendrecv(ConstSegment bytes, int to, int send_tag, Segment into, int from, int recv_tag,
                    std::error_code& error) noexcept;

    /// Begins a send or a receive. Throws std::bad_alloc; all else the request reports.
    Request isend(ConstSegment bytes, int to, int tag = 0);
    Request isend(std::span<const ConstSegment> pieces, int to, int tag = 0);
    /// Done when a receive has taken the message.
    Request issend(ConstSegment bytes, int to, int tag = 0);
    Request irecv(Segment into, int from = any_source, int tag = any_tag);
    Request irecv(std::span<const Segment> pieces, int from = any_source, int tag = any_tag);

    /// Describes one that is to be begun again and again: Request::start(). The lists are copied,
    /// the memory is not. Source: MPI 4.0, section 3.9.
    Request send_init(ConstSegment bytes, int to, int tag = 0);
    Request recv_init(Segment into, int from = any_source, int tag = any_tag);

    /// The message that recv() would get now, or waits for one; it stays in the queue.
    Status probe(int from = any_source, int tag = any_tag);
    Status probe(int from, int tag, std::error_code& error) noexcept;
    std::optional<Status> iprobe(int from = any_source, int tag = any_tag);
    std::optional<Status> iprobe(int from, int tag, std::error_code& error) noexcept;
    /// The same, and it is taken out of the queue.
    Message mprobe(int from = any_source, int tag = any_tag);
    std::optional<Message> improbe(int from = any_source, int tag = any_tag);

    /// Receives a message without memory for it: see MessageView. The sender sends it as any other;
    /// the same block may be sent to several.
    MessageView recv_view(int from = any_source, int tag = any_tag);

    /// A communicator of the same ranks with messages of its own. All ranks call it.
    Communicator dup();
    /// One of all ranks that gave the same `color`, ordered by `key`, then by their rank here; an
    /// empty one for who gave a negative color. All ranks call it. Source: MPI 4.0, section 6.4.2.
    Communicator split(int color, int key = 0);

    /// After a death: a communicator of those who live, in their old order. All who live call it,
    /// and it returns when they have; who dies meanwhile is left out, or has died in the new one:
    /// then that is shrunk. What was sent in the old one and not received is lost. (The same
    /// agreement as MPIX_Comm_shrink of MPI's fault tolerance proposal, ULFM.) Once for each
    /// communicator: called again it gives the same one. Throws std::system_error: ENOMEM; EINVAL,
    /// it was called before, and what it gave is destroyed.
    Communicator shrink();

    /// A descriptor that polls readable when something came for this rank, in whichever
    /// communicator (a message, the end of a request, the end of a rank), for poll, epoll and asio.
    /// Owned by the node, the same for all its communicators. Once it polled readable, call
    /// iprobe(), improbe(), Request::test() or test_some() until nothing is found any more: it is
    /// not readable then until there is news, or once more for what was found already. Never read
    /// from it. There is a thread behind it from the first call on; who does not call it has none.
    /// Throws std::system_error: EMFILE, EAGAIN.
    int native_handle();

    /// Elements of any type that is a row of bytes: arrays, vectors, spans.
    template <detail::Elements R>
    void send(const R& elements, int to, int tag = 0) {
        send(detail::bytes_of(elements), to, tag);
    }
    template <detail::Elements R>
    void ssend(const R& elements, int to, int tag = 0) {
        ssend(detail::bytes_of(elements), to, tag);
    }
    template <detail::Elements R>
    Request issend(const R& elements, int to, int tag = 0) {
        return issend(detail::bytes_of(elements), to, tag);
    }
    template <detail::Elements R>
    Status recv(R&& elements, int from = any_source, int tag = any_tag) {
        return recv(detail::writable_bytes_of(elements), from, tag);
    }
    template <detail::Elements R>
    Request isend(const R& elements, int to, int tag = 0) {
        return isend(detail::bytes_of(elements), to, tag);
    }
    template <detail::Elements R>
    Request irecv(R&& elements, int from = any_source, int tag = any_tag) {
        return irecv(detail::writable_bytes_of(elements), from, tag);
    }

    /// For the layers above.
    [[nodiscard]] node::Context& context() const noexcept { return *context_; }
    [[nodiscard]] node::Endpoint& endpoint() const noexcept { return *endpoint_; }

private:
    friend class Node;
    Communicator(node::Endpoint& endpoint, std::uint32_t number, const std::vector<int>& members,
                 int rank);
};

}  // namespace onecopy
