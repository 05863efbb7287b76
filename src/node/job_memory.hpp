// The memory that the ranks of one job share: a head, a line for each rank, and blocks that ranks
// take for what they need between each other.
//
// It is one sealed memfd, sparse: what nobody has touched costs address space and nothing else, so
// a job of a thousand ranks pays for the pairs that talk, not for the square. It ends with the last
// process that has it, however that ends.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "node/bell.hpp"
#include "node/free_runs.hpp"
#include "node/handoff.hpp"
#include "node/ring.hpp"
#include "node/ring_list.hpp"
#include "node/stage.hpp"
#include "os/cpu_place.hpp"
#include "os/fd.hpp"
#include "os/job_segment.hpp"
#include "os/lifeline.hpp"

namespace onecopy::node {

inline constexpr int max_ranks = 4096;

/// Where a rank has come to. It goes down this list, never up.
enum class Stage : std::uint32_t {
    absent,  ///< has not joined yet
    here,
    left,  ///< said goodbye: it sends nothing more
    dead   ///< ended without that, or was replaced by another program
};

/// Written by who makes the memory, before it is anybody else's.
struct JobSizes {
    std::uint64_t magic;
    std::uint32_t ranks;
    std::uint32_t blocks;   ///< there are so many, of both kinds
    std::uint32_t rings;    ///< of these, for rings: they come first
    std::uint32_t boards;   ///< and for collective calls: they come last
    std::uint32_t records;  ///< for so many communicators
    std::uint32_t collective_records;
};

struct JobHead : JobSizes {
    /// Ranks that have left or died, each counted once. Waiters watch it: whatever waits for one of
    /// them waits in vain. Added to by who finds out, after its stage was stored.
    alignas(64) std::atomic<std::uint32_t> departures;
    /// Blocks that are taken, for rings, for collective calls and for all else: none takes from
    /// another. Those for rings and all else are never given back; who takes one uses it again and
    /// again. Those for collective calls were taken at least once: see communicator_blocks.hpp.
    alignas(64) std::atomic<std::uint32_t> taken_rings;
    alignas(64) std::atomic<std::uint32_t> taken_blocks;
    alignas(64) std::atomic<std::uint32_t> taken_boards;
    /// Contexts that are taken: numbers of communicators. 0 is the world's.
    alignas(64) std::atomic<std::uint32_t> taken_contexts;
    /// Blocks for collective calls that were given back, and runs of blocks_of_frames.
    alignas(64) FreeRuns free_boards;
    alignas(64) FreeRuns free_frames;
};

inline constexpr std::size_t program_bytes = 16;

/// A rank's own. What is not atomic is written by the rank before it stores `here`.
struct alignas(64) RankLine {
    std::atomic<Stage> stage;
    std::int32_t pid;
    std::uint64_t pid_namespace;  ///< in which that number means it
    std::uint64_t start_ticks;    ///< when that process was started, see life_of()
    /// The random bytes that the kernel gave its program, and where. getauxval(3), AT_RANDOM.
    std::uint64_t program_address;
    std::array<std::byte, program_bytes> program;
    std::int32_t arena_fd;  ///< the number in that process; -1: none
    /// Where the rank ran when it last looked: the CPU's number, counted from 1; 0: not known. A
    /// hint, stored when it changes.
    std::atomic<std::uint32_t> cpu;
    std::uint64_t arena_base, arena_bytes;
    std::array<std::uint64_t, 16> cpus;           ///< that it may use, a bit each
    std::uint64_t quota_millicores, quota_group;  ///< os::CpuQuota
    os::CpuPlace place;                           ///< of these CPUs: see rank_place.hpp
    alignas(64) os::Lifeline life;                ///< held by a thread of the rank
    Bell bell;
    RingList incoming;
    /// Whether the rank is inside a call that waits: it would help with a copy. A hint.
    std::atomic<std::uint32_t> waiting;
};

/// A block: a ring, some hundred hand-offs, or a slot of a stage.
inline constexpr std::size_t block_bytes = (sizeof(RingMemory) + 4095) / 4096 * 4096;
static_assert(sizeof(StageSlot) <= block_bytes);

/// The frames of a member: so many blocks, one behind the other; few where address space is dear.
inline constexpr std::uint32_t blocks_of_frames = sizeof(void*) == 8 ? 32 : 8;

/// What the survivors of a death agree on: see shrink.cpp. Of the communicator of that number. Zero
/// at first.
struct alignas(64) CommunicatorRecord {
    /// The block that holds the agreement, counted from 1; whoever stores it first decides.
    std::atomic<std::uint32_t> decided;
    /// By rank in the communicator, a bit each: who has come. Each sets its own (release).
    std::array<std::atomic<std::uint32_t>, max_ranks / 32> arrived;
};

/// What the collective calls of a communicator have taken: see communicator_blocks.hpp. Of the
/// communicator of that number. Zero at first.
struct CollectiveRecord {
    std::atomic<std::uint32_t> table, gone, blocks, frames;
};

/// When a process was started, in ticks of 10 ms since the machine was, which with its number names
/// it for good; and its state, as a letter. Zeros: no such process, or no /proc. Needs a
/// descriptor. Source: proc(5), /proc/PID/stat.
struct ProcessLife {
    std::uint64_t start_ticks = 0;
    char state = 0;
};
ProcessLife life_of(int pid) noexcept;

/// A number for this process's pid namespace; 0 without /proc. Source: namespaces(7).
std::uint64_t own_pid_namespace() noexcept;

class JobMemory {
public:
    JobMemory() noexcept = default;

    /// For a job of so many ranks (1 to max_ranks), by its launcher or its rank 0. Throws
    /// std::system_error: EINVAL, ENOMEM, and as os::JobSegment.
    static JobMemory create(int ranks);
    /// One that was handed over. Throws std::system_error: EINVAL, it is none, or of another
    /// version or width.
    static JobMemory adopt(os::Fd fd);

    [[nodiscard]] int ranks() const noexcept { return static_cast<int>(head().ranks); }
    [[nodiscard]] JobHead& head() const noexcept {
        return *reinterpret_cast<JobHead*>(segment_.bytes().data());
    }
    [[nodiscard]] RankLine& line(int rank) const noexcept {
        return reinterpret_cast<RankLine*>(segment_.bytes().data() +
                                           lines_offset)[static_cast<std::size_t>(rank)];
    }
    /// Blocks that nobody has, zero, one behind the other: the first; nothing if there are no more.
    /// Any thread.
    [[nodiscard]] std::optional<std::uint32_t> take_blocks(std::uint32_t count) const noexcept;
    [[nodiscard]] std::optional<std::uint32_t> take_block() const noexcept {
        return take_blocks(1);
    }
    /// For collective calls there are runs of two lengths; what was given back is used again, for
    /// runs of the same length.
    enum class RunLength : std::uint8_t { block, frames };
    struct BoardRun {
        std::uint32_t first;
        bool used;  ///< it holds whatever it held; else zero
    };
    [[nodiscard]] std::optional<BoardRun> take_board_run(RunLength length) const noexcept;
    /// The caller's: `first`, and those linked behind it until `last`.
    void give_back_board_runs(RunLength length, std::uint32_t first,
                              std::uint32_t last) const noexcept;
    /// Of a run that is the caller's: the number of the next one, counted from 1; 0: none.
    [[nodiscard]] RunLink& board_link(std::uint32_t first) const noexcept {
        return reinterpret_cast<RunLink*>(links_)[first - (head().blocks - head().boards)];
    }
    /// The same for a ring.
    [[nodiscard]] std::optional<std::uint32_t> take_ring() const noexcept;
    [[nodiscard]] std::byte* block(std::uint32_t number) const noexcept {
        return blocks_ + std::size_t{number} * block_bytes;
    }
    /// Of the communicator with that number; null if there are none for so many.
    [[nodiscard]] CommunicatorRecord* record(std::uint32_t number) const noexcept {
        if (number >= head().records) return nullptr;
        return reinterpret_cast<CommunicatorRecord*>(records_) + number;
    }
    [[nodiscard]] CollectiveRecord* collective_record(std::uint32_t number) const noexcept {
        if (number >= head().collective_records) return nullptr;
        return reinterpret_cast<CollectiveRecord*>(collective_records_) + number;
    }
    [[nodiscard]] RingMemory& ring(std::uint32_t number) const noexcept {
        return *reinterpret_cast<RingMemory*>(block(number));
    }

    [[nodiscard]] int fd() const noexcept { return segment_.fd(); }
    void leave_mapped() noexcept { segment_.leave_mapped(); }
    [[nodiscard]] os::Fd take_fd() noexcept { return segment_.take_fd(); }
    void close_fd() noexcept { segment_.close_fd(); }

private:
    static constexpr std::size_t lines_offset = 4096;
    static std::size_t blocks_offset(int ranks) noexcept;

    os::JobSegment segment_;
    void find_parts() noexcept;
    [[nodiscard]] static std::size_t bytes_for(const JobSizes& sizes) noexcept;

    std::byte* blocks_ = nullptr;
    std::byte* records_ = nullptr;
    std::byte* collective_records_ = nullptr;
    std::byte* links_ = nullptr;
};

}  // namespace onecopy::node
