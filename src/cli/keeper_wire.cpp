#include "cli/keeper_wire.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <system_error>

namespace onecopy::cli {
namespace {

enum class Kind : char { passed_on, outcome, line };

/// A packet each. Does not wait: the other end reads all the time, or is stopped for good.
void send_packet(int fd, Kind kind, const void* body, std::size_t bytes) noexcept {
    std::array<iovec, 2> parts{iovec{&kind, sizeof kind}, iovec{const_cast<void*>(body), bytes}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

template <class Body>
Body body_of(std::string_view packet) noexcept {
    Body body{};
    if (packet.size() == 1 + sizeof body) std::memcpy(&body, packet.data() + 1, sizeof body);
    return body;
}

}  // namespace

std::pair<KeeperWire, KeeperWire> KeeperWire::make() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        throw std::system_error(errno, std::system_category(), "socketpair");
    }
    return {KeeperWire(ends[0]), KeeperWire(ends[1])};
}

void KeeperWire::send(const PassedOn& message) const noexcept {
    send_packet(fd_.get(), Kind::passed_on, &message, sizeof message);
}

void KeeperWire::send(const Outcome& message) const noexcept {
    send_packet(fd_.get(), Kind::outcome, &message, sizeof message);
}

void KeeperWire::send(const Line& message) const noexcept {
    send_packet(fd_.get(), Kind::line, message.text.data(), message.text.size());
}

KeeperWire::Message KeeperWire::receive() const {
    constexpr std::size_t longest = std::size_t{16} << 10;  // what is longer is cut
    std::array<char, longest> packet;
    const ssize_t got = ::recv(fd_.get(), packet.data(), packet.size(), MSG_DONTWAIT);
    if (got < 0) return Nothing{};
    if (got == 0) return End{};
    const std::string_view text(packet.data(), static_cast<std::size_t>(got));
    switch (static_cast<Kind>(text.front())) {
        case Kind::passed_on:
            return body_of<PassedOn>(text);
        case Kind::outcome:
            return body_of<Outcome>(text);
        case Kind::line:
            return Line{std::string(text.substr(1))};
    }
    return Nothing{};
}

}  // namespace onecopy::cli
