// The ways of moving a message between two processes that `onecopy bench transfer` compares.
//
// A message goes along a Lane: from its sender, a process, to its receiver, another one. Both sides
// run the same code, forked from one launcher, so a buffer has the same address on either side;
// what differs is whose memory stands behind it. A Way is asked on both sides. One-sided ways (a
// system call, a copy through a mapping) do everything on the side that works and nothing on the
// other; in two-sided ones (a ring, a pipe) both push on, step by step, so that a receiver of many
// lanes can serve them all.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string_view>

#include "os/fd.hpp"

namespace onecopy::cli {

enum class Work { read, write, reduce, incast };
enum class Side { receiver, sender };

/// The names, in the order in which they are measured and printed.
std::span<const std::string_view> work_names() noexcept;
std::span<const std::string_view> transfer_way_names() noexcept;

/// The work of that name, which must be one of work_names().
Work work_named(std::string_view name) noexcept;
std::string_view name_of(Work work) noexcept;

/// Whether `way` has a part in `work`.
bool does(std::string_view way, Work work) noexcept;

/// The ring of the double copy: the sender copies in while the receiver copies out.
///
///   tail   slots filled    stored by the sender, loaded by the receiver
///   head   slots emptied   stored by the receiver, loaded by the sender
///
/// (A) publish: a slot is written before the tail that announces it. (B) reclaim: it is read before
/// the head that frees it. Acquire/release is enough: a step depends on one variable of the other.
struct Ring {
    static constexpr std::size_t slots = 4;
    static constexpr std::size_t slot_bytes = 32U << 10;

    alignas(64) std::atomic<std::uint64_t> tail{0};
    alignas(64) std::atomic<std::uint64_t> head{0};
    alignas(4096) std::byte data[slots][slot_bytes];
};

class ArenaPair;           // bench_arena.hpp
class CooperativeMessage;  // bench_cooperative.hpp

/// What a message of one sender may travel through. Borrowed; lives longer than the Ways.
struct Lane {
    std::span<std::byte> source;       // private memory of the sender
    std::span<std::byte> destination;  // private memory of the receiver
    std::span<std::byte> whole;        // private memory of the receiver, as large: for "then op"
    std::span<std::byte> shared;       // mapped by both
    Ring* ring = nullptr;              // mapped by both
    const os::Fd* pipe_out = nullptr;  // the receiver's end
    const os::Fd* pipe_in = nullptr;   // the sender's end
    ArenaPair* arenas = nullptr;       // of this process; opened by the ways that need it
    CooperativeMessage* together = nullptr;  // mapped by both
    pid_t sender = 0;
    pid_t receiver = 0;
};

/// This way cannot be used here; what() names the errno.
class Refused : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

class Way {
public:
    explicit Way(const Lane& lane) : lane_(&lane) {}
    Way(const Way&) = delete;
    Way& operator=(const Way&) = delete;
    virtual ~Way() = default;

    /// Where the sender writes its message, and where the receiver will find it.
    [[nodiscard]] virtual std::span<std::byte> source() const { return lane_->source; }
    [[nodiscard]] virtual std::span<std::byte> destination() const { return lane_->destination; }

    /// Whether `side` has anything to do.
    [[nodiscard]] virtual bool works(Side side) const = 0;

    /// Gets ready, once, on each side. Moves at most a few bytes. Throws Refused.
    virtual void open(Side) {}

    /// Before each message.
    virtual void start(std::size_t bytes) { bytes_ = bytes; }

    /// Moves on as far as can be without waiting. True when this side is done.
    /// Throws std::system_error.
    virtual bool step(Side side) = 0;

protected:
    [[nodiscard]] const Lane& lane() const noexcept { return *lane_; }
    [[nodiscard]] std::size_t message_bytes() const noexcept { return bytes_; }

private:
    const Lane* lane_;
    std::size_t bytes_ = 0;
};

/// The way of that name in that work; does(name, work) must hold.
std::unique_ptr<Way> make_way(std::string_view name, Work work, const Lane& lane);

}  // namespace onecopy::cli
