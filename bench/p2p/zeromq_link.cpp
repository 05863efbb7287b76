// ZeroMQ: a PAIR socket over ipc:// for each pair of ranks. What is sent is written into the
// message itself (zmq_msg_init_size), and what is received is read in it: no copy but the kernel's
// two. Who waits sleeps: the library's own threads, which carry the messages, share the rank's
// core.
#include <zmq.h>

#include <array>
#include <string>
#include <vector>

#include "link.hpp"

namespace onecopy::p2p {
namespace {

[[noreturn]] void fail(const std::string& what) {
    throw Unusable(what + ": " + ::zmq_strerror(::zmq_errno()));
}

/// Owns a message. Moving it away by sending leaves an empty one.
class Message {
public:
    Message() { ::zmq_msg_init(&message_); }
    explicit Message(std::size_t bytes) {
        if (::zmq_msg_init_size(&message_, bytes) != 0) fail("zmq_msg_init_size");
    }
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;
    ~Message() { ::zmq_msg_close(&message_); }

    std::byte* renew(std::size_t bytes) {
        ::zmq_msg_close(&message_);
        if (::zmq_msg_init_size(&message_, bytes) != 0) fail("zmq_msg_init_size");
        return data();
    }
    std::byte* data() { return static_cast<std::byte*>(::zmq_msg_data(&message_)); }
    zmq_msg_t* get() noexcept { return &message_; }

private:
    zmq_msg_t message_;
};

class ZeromqLink final : public Link {
public:
    explicit ZeromqLink(const Setup& setup)
        : setup_(setup), context_(::zmq_ctx_new()), sending_(max_slots), receiving_(max_slots) {
        for (int peer = 0; peer < setup.ranks; ++peer) sockets_.push_back(socket_to(peer));
    }
    ~ZeromqLink() override {
        for (void* socket : sockets_) {
            if (socket != nullptr) ::zmq_close(socket);
        }
        ::zmq_ctx_term(context_);
    }

    [[nodiscard]] int rank() const override { return setup_.rank; }
    [[nodiscard]] bool lends_anew() const override { return true; }

    std::byte* outgoing(int, int slot, std::size_t bytes) override {
        return at(sending_, slot).renew(bytes);
    }
    std::byte* landing(int, std::size_t) override { return nullptr; }

    void send(int peer, int slot, std::size_t) override {
        if (::zmq_msg_send(at(sending_, slot).get(), socket(peer), 0) < 0) fail("zmq_msg_send");
    }
    const std::byte* recv(int peer, int slot, std::size_t bytes) override {
        Message& message = at(receiving_, slot);
        while (::zmq_msg_recv(message.get(), socket(peer), 0) < 0) {
            if (::zmq_errno() != EINTR) fail("zmq_msg_recv");
        }
        if (::zmq_msg_size(message.get()) != bytes)
            throw Unusable("a message of another size came");
        return message.data();
    }

    void start_send(int peer, int slot, std::size_t bytes) override { send(peer, slot, bytes); }
    void start_recv(int peer, int slot, std::size_t bytes) override {
        expected_.push_back({peer, slot, bytes});
    }
    void wait_all() override {
        for (const Expected& one : expected_) recv(one.peer, one.slot, one.bytes);
        expected_.clear();
    }
    const std::byte* arrived(int slot, std::size_t) override { return at(receiving_, slot).data(); }

private:
    struct Expected {
        int peer;
        int slot;
        std::size_t bytes;
    };

    static Message& at(std::vector<Message>& messages, int slot) {
        return messages[static_cast<std::size_t>(slot)];
    }
    [[nodiscard]] void* socket(int peer) const { return sockets_[static_cast<std::size_t>(peer)]; }

    /// The lower rank of a pair binds, the higher connects: in any order of time.
    [[nodiscard]] void* socket_to(int peer) const {
        if (!talk(peer, setup_.rank)) return nullptr;
        void* const socket = ::zmq_socket(context_, ZMQ_PAIR);
        const int no_limit = 0;
        ::zmq_setsockopt(socket, ZMQ_SNDHWM, &no_limit, sizeof no_limit);
        ::zmq_setsockopt(socket, ZMQ_RCVHWM, &no_limit, sizeof no_limit);
        ::zmq_setsockopt(socket, ZMQ_LINGER, &no_limit, sizeof no_limit);
        const bool lower = setup_.rank < peer;
        const std::string address = "ipc://" + setup_.folder + "/" +
                                    std::to_string(lower ? setup_.rank : peer) + "-" +
                                    std::to_string(lower ? peer : setup_.rank);
        const int error =
            lower ? ::zmq_bind(socket, address.c_str()) : ::zmq_connect(socket, address.c_str());
        if (error != 0) fail(address);
        return socket;
    }

    Setup setup_;
    void* context_;
    std::vector<void*> sockets_;
    std::vector<Message> sending_;
    std::vector<Message> receiving_;
    std::vector<Expected> expected_;
};

}  // namespace

std::string library() {
    int major = 0;
    int minor = 0;
    int patch = 0;
    ::zmq_version(&major, &minor, &patch);
    return "ZeroMQ " + std::to_string(major) + "." + std::to_string(minor) + "." +
           std::to_string(patch);
}

std::unique_ptr<Link> make_link(const Setup& setup) { return std::make_unique<ZeromqLink>(setup); }

}  // namespace onecopy::p2p
