// What the ranks of one machine say to each other before the first MPI message: fixed records over
// SOCK_SEQPACKET connections, one record a packet.
//
//   coordinator                               rank
//     Hello                       ------>               who I am, what I run
//                                 <------  Hello        who I am, what I run, and my objection
//     Table, the segment's memfd  ------>               all ranks; now look whether you reach them
//                                 <------  Report       the first one I cannot reach
//    (Retry, the launcher's pid   ------>               with Yama: name the launcher, look again
//                                 <------  Report)
//     Verdict                     ------>               go or not, for everybody alike
//
// A Verdict may come instead of any other record of the coordinator's.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>

#include "os/fd.hpp"
#include "os/unix_socket.hpp"

namespace onecopy::mpi {

/// Changes whenever a record below does. Its place and Record's never change.
inline constexpr std::uint32_t wire_layout = 1;
inline constexpr std::uint32_t wire_magic = 0x31706331;

enum class RecordKind : std::uint32_t { hello = 1, table, report, retry, verdict };

/// How every record starts.
struct Record {
    std::uint32_t magic = wire_magic;
    std::uint32_t layout = wire_layout;
    RecordKind kind{};
    std::uint32_t bytes = 0;
};

/// A text of bounded length inside a record; cut where it is longer.
template <std::size_t Bytes>
struct Text {
    std::array<char, Bytes> bytes{};

    Text() = default;
    explicit Text(std::string_view text) noexcept {
        const std::size_t length = text.size() < Bytes - 1 ? text.size() : Bytes - 1;
        for (std::size_t i = 0; i < length; ++i) bytes[i] = text[i];
    }
    /// Never reads beyond the array, whatever a peer sent.
    [[nodiscard]] std::string_view view() const noexcept {
        std::size_t length = 0;
        while (length < Bytes && bytes[length] != '\0') ++length;
        return {bytes.data(), length};
    }
    [[nodiscard]] bool empty() const noexcept { return bytes[0] == '\0'; }
};

using Nonce = std::array<std::byte, 16>;

struct Hello {
    Record record{.kind = RecordKind::hello, .bytes = sizeof(Hello)};
    std::int32_t pid = 0;
    std::int32_t world_rank = 0;
    std::int32_t world_size = 0;
    std::int32_t local_rank = 0;
    std::int32_t local_size = 0;
    std::uint32_t reserved = 0;
    std::uint64_t settings = 0;
    std::uint64_t nonce_address = 0;
    Nonce nonce{};
    std::array<std::byte, 32> build{};
    Text<128> library;
    Text<160> objection;
};

/// Comes with the segment's descriptor; the table itself is the segment's beginning.
struct Table {
    Record record{.kind = RecordKind::table, .bytes = sizeof(Table)};
    std::uint64_t segment_bytes = 0;
};

struct Report {
    Record record{.kind = RecordKind::report, .bytes = sizeof(Report)};
    std::int32_t failed_local_rank = -1;  ///< -1: reaches all
    std::int32_t error = 0;               ///< errno; 0 with a failed rank: its memory is another's
};

struct Retry {
    Record record{.kind = RecordKind::retry, .bytes = sizeof(Retry)};
    std::int32_t launcher = 0;
};

struct Verdict {
    Record record{.kind = RecordKind::verdict, .bytes = sizeof(Verdict)};
    std::uint32_t go = 0;
    Text<200> reason;
};

/// One rank's line at the beginning of the job segment.
struct TableLine {
    std::int32_t pid = 0;
    std::int32_t world_rank = 0;
    std::uint64_t nonce_address = 0;
    Nonce nonce{};
};

/// Any record, with room for the longest.
struct Packet {
    alignas(8) std::array<std::byte, sizeof(Hello)> bytes{};
    os::Fd fd;  ///< what came along

    /// The record, if it is one of this kind and whole; else nullptr.
    template <class T>
    [[nodiscard]] const T* as() const noexcept {
        static_assert(sizeof(T) <= sizeof(Hello));
        const auto* record = reinterpret_cast<const Record*>(bytes.data());
        const bool fits = record->magic == wire_magic && record->layout == wire_layout &&
                          record->kind == T().record.kind && record->bytes == sizeof(T);
        return fits ? reinterpret_cast<const T*>(bytes.data()) : nullptr;
    }
};

/// The abstract name that local rank `local_rank` of `job` listens on. The job's text only tells
/// jobs apart; it is no secret: who sits there is checked by credentials.
using Name = os::SocketName;
Name listener_name(std::string_view job, int local_rank);

using os::connect_to;
using os::listen_at;

/// Whether the other end was opened by our own effective user.
bool same_user(int socket) noexcept;

/// Sends one record, with a descriptor if there is one; false if the peer is gone or its queue is
/// full.
template <class T>
bool send(int socket, const T& record, int fd = -1) noexcept {
    return os::send_packet(socket, std::as_bytes(std::span(&record, 1)), fd);
}

/// Takes one packet without waiting: bytes received, 0 at the end of the connection, -1 if there
/// is none yet.
ssize_t receive(int socket, Packet& packet) noexcept;

}  // namespace onecopy::mpi
