// Timing processes that run together: the clock, the barrier, spinning, and cores to bind to.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>
#include <vector>

#include "os/pause.hpp"

namespace onecopy::cli {

/// Nanoseconds of CLOCK_MONOTONIC: one clock for all cores and processes. 20 to 50 ns a call.
inline std::int64_t now_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

/// What two neighbouring now_ns() are apart: every sample holds this much that is not the work's.
double clock_cost_ns() noexcept;

/// One turn of a loop that waits for another process. `crowded`: the other may need this core.
inline void relax(bool crowded) noexcept {
    if (crowded) {
        ::sched_yield();
        return;
    }
    os::pause();
}

/// The CPUs this process may use, one of each physical core first, its other threads after those.
std::vector<int> usable_cpus();

/// Binds the calling thread. False if the kernel refused; measuring goes on unbound.
bool bind_to_cpu(int cpu) noexcept;

/// How a rank waits for others: spinning when each has a core of its own; letting others of its
/// core run; or asleep, when those others have much to do.
enum class Waiting { spin, yield, sleep };

/// A barrier between processes, in memory they share. Zero bytes are a fresh one.
///
///   arrived     ranks that are here, in this generation   changed by all
///   generation  barriers passed                           stored by the last to arrive
///
/// (A) what a rank did before it arrived is seen by all who pass: each arrival is a release that
///     the last one's fetch_add acquires, and (B) its store of `generation` hands it on.
/// All ranks of one generation name the same number. The futex is a shared one: a private one would
/// not be woken by another process. A rank that never comes is the launcher's to notice
/// (bench_ranks.hpp).
class Barrier {
public:
    /// Arrives and waits for the others.
    void wait(std::uint32_t ranks, Waiting waiting) noexcept;

    /// Arrives only: lets the others pass, without waiting for them. The caller must not come back
    /// to this barrier before they have (which another barrier between tells it).
    /// `waiting` says how they wait. Returns the generation that will end.
    std::uint32_t arrive(std::uint32_t ranks, Waiting waiting) noexcept;

    /// Whether `generation`, which arrive() returned, has ended: for who has something else to do
    /// while it waits.
    [[nodiscard]] bool passed(std::uint32_t generation) const noexcept {
        return generation_.load(std::memory_order_acquire) != generation;  // pairs with (B)
    }

private:
    alignas(64) std::atomic<std::uint32_t> arrived_{0};
    alignas(64) std::atomic<std::uint32_t> generation_{0};
};

/// Anonymous memory that a fork shares (or, with `is_private`, copies on write): zeros, and nothing
/// allocated before it is touched. Throws std::bad_alloc.
class Memory {
public:
    enum class Kind { is_shared, is_private };

    Memory(std::size_t bytes, Kind kind);
    Memory(Memory&& other) noexcept : bytes_(other.bytes_) { other.bytes_ = {}; }
    Memory& operator=(Memory&&) = delete;
    ~Memory();

    [[nodiscard]] std::byte* data() const noexcept { return bytes_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }

private:
    std::span<std::byte> bytes_;
};

}  // namespace onecopy::cli
