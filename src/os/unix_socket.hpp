// Packets, and a descriptor with them, between processes of one machine: unix(7), SOCK_SEQPACKET.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <system_error>

#include "os/fd.hpp"

namespace onecopy::os {

/// Where a socket listens.
struct SocketName {
    std::array<char, sizeof(sockaddr_un::sun_path)> path{};
    std::size_t bytes = 0;

    /// A name that no file system knows: it ends with its socket, and is the same for everybody in
    /// the network namespace. Empty (no bytes) if the text is too long: 107 at the most.
    static SocketName abstract(std::string_view text) noexcept;
    /// A file that is made when somebody listens there; its directory says who may reach it.
    static SocketName file(std::string_view path) noexcept;

    [[nodiscard]] bool is_file() const noexcept { return bytes > 0 && path[0] != '\0'; }
};

/// A listening socket under that name, not blocking; in the place of a file that a crash has left.
/// Throws std::system_error: EADDRINUSE, somebody sits there; ENAMETOOLONG; and what bind(2) gives.
Fd listen_at(const SocketName& name);

/// A connection to it, not blocking; empty with `error` set if nobody listens (ECONNREFUSED,
/// ENOENT) or its queue is full (EAGAIN).
Fd connect_to(const SocketName& name, std::error_code& error) noexcept;

/// A connection that came in, not blocking; empty if there is none (EAGAIN) or it failed.
Fd accept_from(int listener) noexcept;

/// Who opened the other end, at the time he did; false if it cannot be told.
bool peer_of(int socket, ucred& peer) noexcept;

/// Sends one packet, with a descriptor if `fd` is one; false if the peer is gone or its queue is
/// full (errno). Never raises SIGPIPE.
bool send_packet(int socket, std::span<const std::byte> packet, int fd = -1) noexcept;

/// Takes one packet without waiting, and the descriptor that came along; bytes received, 0 at the
/// end of the connection (or when it was reset), -1 if there is none yet. A packet longer than
/// `room` is cut.
ssize_t receive_packet(int socket, std::span<std::byte> room, Fd& fd) noexcept;

/// Waits until the socket can be read; false when `timeout_ms` passed first. Negative: for ever.
bool wait_readable(int socket, int timeout_ms) noexcept;

}  // namespace onecopy::os
