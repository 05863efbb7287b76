#include "mpi/presence_wire.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace onecopy::mpi {

namespace {

/// FNV-1a. It only has to tell jobs apart, not to resist anybody.
std::uint64_t hash(std::string_view text, std::uint64_t start) noexcept {
    std::uint64_t value = start;
    for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return value;
}

sockaddr_un address_of(const Name& name) noexcept {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.path.data(), name.bytes);
    return address;
}

socklen_t length_of(const Name& name) noexcept {
    return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.bytes);
}

os::Fd open_socket() noexcept {
    return os::Fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

}  // namespace

Name listener_name(std::string_view job, int local_rank) {
    Name name;
    // A leading zero byte makes it abstract: it ends with its socket. Source: unix(7).
    const int length = std::snprintf(
        name.path.data() + 1, name.path.size() - 1, "onecopy-mpi-%u-%016llx%016llx-%d", ::geteuid(),
        static_cast<unsigned long long>(hash(job, 0xcbf29ce484222325)),
        static_cast<unsigned long long>(hash(job, 0x9e3779b97f4a7c15)), local_rank);
    name.bytes = static_cast<std::size_t>(length) + 1;
    return name;
}

os::Fd listen_at(const Name& name) {
    os::Fd socket = open_socket();
    const sockaddr_un address = address_of(name);
    if (!socket ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), length_of(name)) != 0 ||
        ::listen(socket.get(), SOMAXCONN) != 0) {
        throw std::system_error(errno, std::system_category(), "presence listener");
    }
    return socket;
}

os::Fd connect_to(const Name& name, std::error_code& error) noexcept {
    os::Fd socket = open_socket();
    const sockaddr_un address = address_of(name);
    if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                             length_of(name)) != 0) {
        error.assign(errno, std::system_category());
        return os::Fd();
    }
    error.clear();
    return socket;
}

bool same_user(int socket) noexcept {
    ucred peer{};
    socklen_t length = sizeof peer;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           peer.uid == ::geteuid();
}

bool send_record(int socket, std::span<const std::byte> record, int fd) noexcept {
    iovec run{const_cast<std::byte*>(record.data()), record.size()};
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
    return sent == static_cast<ssize_t>(record.size());
}

ssize_t receive(int socket, Packet& packet) noexcept {
    packet = Packet();
    iovec run{packet.bytes.data(), packet.bytes.size()};
    msghdr message{};
    message.msg_iov = &run;
    message.msg_iovlen = 1;
    int fd = -1;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof fd)> control{};
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t got = 0;
    do {
        got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    // A connection that was reset has ended too.
    if (got < 0) return errno == EAGAIN ? -1 : 0;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
            packet.fd = os::Fd(fd);
        }
    }
    return got;
}

}  // namespace onecopy::mpi
