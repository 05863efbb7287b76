#include "os/unix_socket.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace onecopy::os {
namespace {

constexpr int kind = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;

sockaddr_un address_of(const SocketName& name) noexcept {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.path.data(), name.bytes);
    return address;
}

socklen_t length_of(const SocketName& name) noexcept {
    return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.bytes);
}

}  // namespace

SocketName SocketName::abstract(std::string_view text) noexcept {
    SocketName name;
    if (text.size() + 1 > name.path.size()) return name;
    std::copy(text.begin(), text.end(), name.path.begin() + 1);
    name.bytes = text.size() + 1;
    return name;
}

SocketName SocketName::file(std::string_view path) noexcept {
    SocketName name;
    if (path.empty() || path.size() + 1 > name.path.size()) return name;
    std::copy(path.begin(), path.end(), name.path.begin());
    name.bytes = path.size() + 1;
    return name;
}

Fd listen_at(const SocketName& name) {
    const auto refuse = [](int error) {
        throw std::system_error(error, std::system_category(), "listen on a unix socket");
    };
    if (name.bytes == 0) refuse(ENAMETOOLONG);
    std::error_code error;
    if (name.is_file() && !connect_to(name, error) && error == std::errc::connection_refused) {
        ::unlink(name.path.data());  // nobody listens there: it is left over from a crash
    }
    Fd socket(::socket(AF_UNIX, kind, 0));
    const sockaddr_un address = address_of(name);
    if (!socket ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), length_of(name)) != 0 ||
        ::listen(socket.get(), SOMAXCONN) != 0) {
        refuse(errno);
    }
    return socket;
}

Fd connect_to(const SocketName& name, std::error_code& error) noexcept {
    Fd socket(::socket(AF_UNIX, kind, 0));
    const sockaddr_un address = address_of(name);
    if (name.bytes == 0 || !socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length_of(name)) !=
            0) {
        error.assign(name.bytes == 0 ? ENAMETOOLONG : errno, std::system_category());
        return Fd();
    }
    error.clear();
    return socket;
}

Fd accept_from(int listener) noexcept {
    return Fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

bool peer_of(int socket, ucred& peer) noexcept {
    socklen_t length = sizeof peer;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
}

bool send_packet(int socket, std::span<const std::byte> packet, int fd) noexcept {
    iovec run{const_cast<std::byte*>(packet.data()), packet.size()};
    msghdr message{};
    message.msg_iov = &run;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof fd)> control{};
    if (fd >= 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == static_cast<ssize_t>(packet.size());
}

ssize_t receive_packet(int socket, std::span<std::byte> room, Fd& fd) noexcept {
    iovec run{room.data(), room.size()};
    msghdr message{};
    message.msg_iov = &run;
    message.msg_iovlen = 1;
    int came = -1;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof came)> control{};
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t got = 0;
    do {
        got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return errno == EAGAIN ? -1 : 0;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            std::memcpy(&came, CMSG_DATA(header), sizeof came);
            fd = Fd(came);
        }
    }
    return got;
}

bool wait_readable(int socket, int timeout_ms) noexcept {
    pollfd waiting{socket, POLLIN, 0};
    int ready = 0;
    do {
        ready = ::poll(&waiting, 1, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

}  // namespace onecopy::os
