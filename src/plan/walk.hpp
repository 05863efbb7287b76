// Two segment lists walked in step, cut into batches that one system call can take.
#pragma once

#include "plan/cursor.hpp"

namespace onecopy::plan {

/// What one call takes at the most.
struct Limits {
    size_t local_runs;
    size_t remote_runs;
    uint64_t bytes;
};

/// The kernel's limits for a call of process_vm_readv: IOV_MAX elements a side, and the total it
/// would otherwise cut silently. Source: process_vm_readv(2); MAX_RW_COUNT.
inline constexpr Limits kernel_limits{1024, 1024, 0x7ffff000};

/// Runs of one call, in arrays of the caller's: as many bytes on either side, in the same order.
struct Batch {
    Run* local;
    Run* remote;
    size_t local_runs;
    size_t remote_runs;
    uint64_t bytes;
};

/// Walks `local` and `remote` in step until the shorter one ends.
///
/// fill() looks ahead and moves nothing; advance() then goes on by what the call really moved,
/// which may be less and may end inside a run. So no byte is planned twice or skipped.
template <class L, class R>
class Walk {
public:
    constexpr Walk(Cursor<L> local, Cursor<R> remote) noexcept : local_(local), remote_(remote) {}

    [[nodiscard]] constexpr bool done() const noexcept { return local_.done() || remote_.done(); }

    /// The longest stretch from here that is one run on both sides. Not when done().
    [[nodiscard]] constexpr uint64_t common() const noexcept {
        const uint64_t local = local_.run().bytes;
        const uint64_t remote = remote_.run().bytes;
        return local < remote ? local : remote;
    }

    [[nodiscard]] constexpr const Cursor<L>& local() const noexcept { return local_; }
    [[nodiscard]] constexpr const Cursor<R>& remote() const noexcept { return remote_; }

    /// Fills `batch.local` and `batch.remote` with the runs that follow, neighbours in memory
    /// merged and empty segments left out, as far as `limits` (all at least 1) reach. To cut only
    /// between elements, give lists of whole elements and a multiple of their size as bytes.
    constexpr void fill(Batch& batch, const Limits& limits) noexcept {
        batch.local_runs = batch.remote_runs = 0;
        batch.bytes = 0;
        local_ahead_ = local_;
        remote_ahead_ = remote_;
        while (!local_ahead_.done() && !remote_ahead_.done() && batch.bytes < limits.bytes) {
            Run local = local_ahead_.run();
            Run remote = remote_ahead_.run();
            uint64_t bytes = limits.bytes - batch.bytes;
            if (local.bytes < bytes) bytes = local.bytes;
            if (remote.bytes < bytes) bytes = remote.bytes;
            local.bytes = remote.bytes = bytes;
            const bool local_joins = joins(batch.local, batch.local_runs, local.address);
            const bool remote_joins = joins(batch.remote, batch.remote_runs, remote.address);
            if ((!local_joins && batch.local_runs == limits.local_runs) ||
                (!remote_joins && batch.remote_runs == limits.remote_runs)) {
                return;  // no room left on one side
            }
            append(batch.local, batch.local_runs, local, local_joins);
            append(batch.remote, batch.remote_runs, remote, remote_joins);
            batch.bytes += bytes;
            local_ahead_.advance(bytes);
            remote_ahead_.advance(bytes);
        }
    }

    /// Goes on by `bytes`. `filled` is the size of the batch that fill() made last.
    constexpr void advance(uint64_t bytes, uint64_t filled) noexcept {
        if (bytes == filled) {
            local_ = local_ahead_;
            remote_ = remote_ahead_;
        } else {
            skip(bytes);
        }
    }

    /// Goes on by `bytes` without a batch.
    constexpr void skip(uint64_t bytes) noexcept {
        local_.advance(bytes);
        remote_.advance(bytes);
    }

private:
    /// Whether a run at `address` continues the last one. A run that ends at the top of the
    /// address space does not continue at 0.
    static constexpr bool joins(const Run* runs, size_t count, uint64_t address) noexcept {
        if (count == 0) return false;
        const uint64_t end = runs[count - 1].address + runs[count - 1].bytes;
        return end == address && end != 0;
    }

    static constexpr void append(Run* runs, size_t& count, const Run& run, bool join) noexcept {
        if (join) {
            runs[count - 1].bytes += run.bytes;
        } else {
            runs[count++] = run;
        }
    }

    Cursor<L> local_, local_ahead_;
    Cursor<R> remote_, remote_ahead_;
};

template <class L, class R>
Walk(Cursor<L>, Cursor<R>) -> Walk<L, R>;

}  // namespace onecopy::plan
