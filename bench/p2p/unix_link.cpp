// Unix sockets: one SOCK_STREAM connection per pair of ranks that talk. (SOCK_SEQPACKET keeps
// messages apart, but carries none that is larger than its buffer.)
//
// With a core for every rank nobody sleeps: the sockets do not block, and who waits asks again.
// With more ranks than cores who waits sleeps in poll().
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "copying_link.hpp"
#include "os/fd.hpp"
#include "stepwise_link.hpp"

namespace onecopy::p2p {
namespace {

[[noreturn]] void fail(const char* what) {
    throw Unusable(std::string(what) + ": " + std::strerror(errno));
}

class UnixLink final : public StepwiseLink<OrdinaryLink> {
public:
    explicit UnixLink(const Setup& setup) : StepwiseLink(setup), setup_(setup) {
        const os::Fd door = listen_at(address_of(setup.rank));
        sockets_.resize(static_cast<std::size_t>(setup.ranks));
        // The higher rank of a pair knocks; its first byte says who it is.
        for (int peer = 0; peer < setup.rank; ++peer) at(peer) = knock(peer);
        for (int left = setup.ranks - setup.rank - 1; left > 0; --left) {
            os::Fd caller(::accept4(door.get(), nullptr, nullptr, SOCK_CLOEXEC));
            unsigned char name = 0;
            if (!caller || ::read(caller.get(), &name, 1) != 1) fail("accept");
            at(name) = std::move(caller);
        }
        for (const os::Fd& socket : sockets_) {
            if (socket) ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
        }
    }

    [[nodiscard]] int rank() const override { return setup_.rank; }

private:
    std::size_t push(const Operation& one) override {
        const std::byte* data = outgoing(one.peer, one.slot, one.bytes) + one.done;
        return moved(::send(at(one.peer).get(), data, one.bytes - one.done, MSG_NOSIGNAL));
    }
    std::size_t pull(const Operation& one) override {
        std::byte* data = landing(one.slot, one.bytes) + one.done;
        return moved(::recv(at(one.peer).get(), data, one.bytes - one.done, 0));
    }
    static std::size_t moved(ssize_t count) {
        if (count > 0) return static_cast<std::size_t>(count);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
        if (count == 0) throw Unusable("the other side has closed its socket");
        fail("move bytes");
    }

    void wait_for_more() override {
        if (!setup_.crowded) return relax(false);
        std::vector<pollfd> polls;
        for (const Lane& lane : lanes()) {
            if (lane.idle()) continue;
            const short what = lane.sends ? POLLOUT : POLLIN;
            polls.push_back({at(lane.peer).get(), what, 0});
        }
        ::poll(polls.data(), polls.size(), -1);
    }

    os::Fd& at(int peer) { return sockets_[static_cast<std::size_t>(peer)]; }

    /// An abstract name: nothing in the file system.
    [[nodiscard]] sockaddr_un address_of(int rank) const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string name = setup_.folder + "/" + std::to_string(rank);
        if (name.size() + 1 > sizeof address.sun_path) throw Unusable("the job's name is too long");
        name.copy(address.sun_path + 1, name.size());
        return address;
    }

    static os::Fd make_socket() {
        os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (!socket) fail("socket");
        // More than the system's default where that is allowed.
        const int room = 1 << 20;
        if (::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0) {
            ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        }
        return socket;
    }

    static os::Fd listen_at(const sockaddr_un& address) {
        os::Fd door = make_socket();
        if (::bind(door.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(door.get(), max_ranks) != 0) {
            fail("listen");
        }
        return door;
    }

    os::Fd knock(int peer) {
        const sockaddr_un address = address_of(peer);
        os::Fd socket = make_socket();
        while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                         sizeof address) != 0) {
            if (errno != ECONNREFUSED) fail("connect");
            ::usleep(1000);  // it has not opened yet
        }
        const auto name = static_cast<unsigned char>(setup_.rank);
        if (::write(socket.get(), &name, 1) != 1) fail("connect");
        return socket;
    }

    Setup setup_;
    std::vector<os::Fd> sockets_;
};

}  // namespace

std::string library() { return "SOCK_STREAM"; }

std::unique_ptr<Link> make_link(const Setup& setup) { return std::make_unique<UnixLink>(setup); }

}  // namespace onecopy::p2p
