#include "node/peers.hpp"

#include <fcntl.h>

#include <array>
#include <cstdio>
#include <new>

#include "onecopy/transfer.hpp"
#include "os/errors.hpp"

namespace onecopy::node {
namespace {

os::Fd spare_descriptor() noexcept { return os::Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

Peers::Peers(const JobMemory& memory, int own_rank)
    : memory_(memory),
      own_rank_(own_rank),
      peers_(static_cast<std::size_t>(memory.ranks())),
      spare_(spare_descriptor()) {}

const Process* Peers::process(int rank, std::error_code& error) noexcept {
    Peer& one = peer(rank);
    if (!one.process) {
        try {
            const RankLine& line = memory_.line(rank);
            if (rank != own_rank_ && line.pid_namespace != memory_.line(own_rank_).pid_namespace) {
                // The number means another process here.
                error = std::make_error_code(std::errc::operation_not_permitted);
                return nullptr;
            }
            one.process = rank == own_rank_ ? Process::self() : Process(line.pid);
            // The number may be a stranger's by now.
            if (rank != own_rank_ && !is_still(line)) {
                one.process.reset();
                error = std::make_error_code(std::errc::no_such_process);
                return nullptr;
            }
        } catch (const std::system_error& failure) {
            error = failure.code();
            return nullptr;
        } catch (const std::bad_alloc&) {
            error = os::no_memory();
            return nullptr;
        }
        if (rank != own_rank_) seek_arena(rank, one);
    }
    error.clear();
    return &*one.process;
}

/// Whether the line's number means the process that wrote it there.
bool Peers::is_still(const RankLine& line) noexcept {
    if (line.life.held()) {
        const std::uint64_t ticks = life_of(line.pid).start_ticks;
        return ticks == 0 || ticks == line.start_ticks;  // 0: no descriptor to ask with
    }
    spare_ = os::Fd{};
    const std::uint64_t ticks = life_of(line.pid).start_ticks;
    spare_ = spare_descriptor();
    return ticks == line.start_ticks;
}

const Attachment* Peers::arena(int rank) noexcept {
    std::error_code error;
    if (process(rank, error) == nullptr) return nullptr;
    const Peer& one = peer(rank);
    return one.arena ? &*one.arena : nullptr;
}

bool Peers::may_be_read(int rank) noexcept {
    std::error_code error;
    const Process* const one = process(rank, error);
    if (one == nullptr) return false;
    // Asking takes a microsecond. A right that is lost later shows in the copy.
    Peer& peer = this->peer(rank);
    if (!peer.may_be_read) peer.may_be_read = !one->access();
    return *peer.may_be_read;
}

void Peers::forbid_reading(int rank) noexcept { peer(rank).may_be_read = false; }

void Peers::seek_arena(int rank, Peer& one) noexcept {
    const RankLine& line = memory_.line(rank);
    if (one.arena_sought || line.arena_fd < 0) return;
    one.arena_sought = true;
    // The kernel asks for the right to look, not for the right to trace, and the owner need not
    // answer.
    std::array<char, 64> path;
    std::snprintf(path.data(), path.size(), "/proc/%d/fd/%d", line.pid, line.arena_fd);
    os::Fd file(::open(path.data(), O_RDWR | O_CLOEXEC));
    if (!file) return;
    try {
        Attachment arena(windows_, file.release(), line.arena_base);
        arena.serve(*one.process);
        one.arena = std::move(arena);
    } catch (const std::exception&) {
        // Then its memory is reached as anybody's.
    }
}

bool Peers::has_ended(int rank) noexcept {
    if (rank == own_rank_) return false;
    std::error_code error;
    const Process* const one = process(rank, error);
    if (one == nullptr)
        return error == std::errc::no_such_process || has_ended_as_the_list_says(rank);
    if (!one->alive() || !one->same_image()) return true;
    // The handle may have been opened after an exec. Its random bytes tell one program from
    // another; where they cannot be read, nothing else speaks against it.
    const RankLine& line = memory_.line(rank);
    std::array<std::byte, program_bytes> program{};
    const Transfer got = read(*one, line.program_address, std::span(program));
    return got.error == std::errc::bad_address || (!got.error && program != line.program);
}

/// Without a handle: no descriptors are left for one, or the number means nothing here.
bool Peers::has_ended_as_the_list_says(int rank) noexcept {
    const RankLine& line = memory_.line(rank);
    // In another pid namespace nothing can be asked: a rank that has lost its lifeline is gone, if
    // no other thread of it takes it up.
    if (line.pid_namespace != memory_.line(own_rank_).pid_namespace) return true;
    spare_ = os::Fd{};
    const ProcessLife life = life_of(line.pid);
    spare_ = spare_descriptor();
    return life.start_ticks != line.start_ticks || life.state == 'Z' || life.state == 'X';
}

}  // namespace onecopy::node
