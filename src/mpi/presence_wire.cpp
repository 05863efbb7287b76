#include "mpi/presence_wire.hpp"

#include <unistd.h>

#include <cstdio>

namespace onecopy::mpi {

namespace {

/// FNV-1a. It only has to tell jobs apart, not to resist anybody.
std::uint64_t hash(std::string_view text, std::uint64_t start) noexcept {
    std::uint64_t value = start;
    for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return value;
}

}  // namespace

Name listener_name(std::string_view job, int local_rank) {
    std::array<char, 100> text{};
    std::snprintf(text.data(), text.size(), "onecopy-mpi-%u-%016llx%016llx-%d", ::geteuid(),
                  static_cast<unsigned long long>(hash(job, 0xcbf29ce484222325)),
                  static_cast<unsigned long long>(hash(job, 0x9e3779b97f4a7c15)), local_rank);
    return Name::abstract(text.data());
}

bool same_user(int socket) noexcept {
    ucred peer{};
    return os::peer_of(socket, peer) && peer.uid == ::geteuid();
}

ssize_t receive(int socket, Packet& packet) noexcept {
    packet = Packet();
    return os::receive_packet(socket, packet.bytes, packet.fd);
}

}  // namespace onecopy::mpi
