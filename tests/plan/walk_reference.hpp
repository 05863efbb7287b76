// What a walk must do, said as slowly and plainly as possible: byte by byte.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "plan/walk.hpp"

namespace onecopy::test {

using plan::Run;

/// The addresses of a list's bytes, in order, at most `most` of them.
inline std::vector<std::uint64_t> bytes_of(const Run* list, std::size_t count,
                                           std::size_t most = SIZE_MAX) {
    std::vector<std::uint64_t> bytes;
    for (std::size_t i = 0; i < count; ++i) {
        for (std::uint64_t j = 0; j < list[i].bytes && bytes.size() < most; ++j) {
            bytes.push_back(list[i].address + j);
        }
    }
    return bytes;
}
inline std::vector<std::uint64_t> bytes_of(const std::vector<Run>& list) {
    return bytes_of(list.data(), list.size());
}

/// Runs that touch and could have been one, that are empty, or that go on at 0 after the top of the
/// address space: a batch has none (given lists whose own segments do not wrap).
inline bool is_merged(const Run* runs, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        if (runs[i].bytes == 0 || runs[i].address + runs[i].bytes - 1 < runs[i].address) {
            return false;
        }
        if (i > 0 && runs[i - 1].address + runs[i - 1].bytes == runs[i].address &&
            runs[i].address != 0) {
            return false;
        }
    }
    return true;
}

/// Walks both lists by batches under `limits`, as an engine that moves `moves(batch.bytes)` of each
/// batch would. Returns a description of the first broken promise, or null.
template <class Moves>
const char* walk_breaks(const std::vector<Run>& local, const std::vector<Run>& remote,
                        const plan::Limits& limits, Moves&& moves) {
    const auto near = bytes_of(local);
    const auto far = bytes_of(remote);
    const std::size_t total = std::min(near.size(), far.size());
    std::vector<Run> near_room(limits.local_runs), far_room(limits.remote_runs);
    plan::Batch batch{near_room.data(), far_room.data(), 0, 0, 0};
    plan::Walk walk(plan::Cursor(local.data(), local.size()),
                    plan::Cursor(remote.data(), remote.size()));
    std::size_t done = 0;
    while (!walk.done()) {
        walk.fill(batch, limits);
        if (batch.bytes == 0) return "an empty batch before the end";
        if (batch.bytes > limits.bytes || batch.local_runs > limits.local_runs ||
            batch.remote_runs > limits.remote_runs) {
            return "a batch over its limits";
        }
        if (!is_merged(batch.local, batch.local_runs) ||
            !is_merged(batch.remote, batch.remote_runs)) {
            return "neighbours not merged, or an empty run, or one that wraps";
        }
        const auto from = bytes_of(batch.local, batch.local_runs);
        const auto to = bytes_of(batch.remote, batch.remote_runs);
        if (from.size() != batch.bytes || to.size() != batch.bytes) {
            return "the two sides of a batch differ in length";
        }
        if (done + batch.bytes > total) return "a batch beyond the shorter list";
        for (std::size_t i = 0; i < from.size(); ++i) {
            if (from[i] != near[done + i] || to[i] != far[done + i]) return "a byte out of order";
        }
        const bool more_runs_fit =
            batch.local_runs < limits.local_runs && batch.remote_runs < limits.remote_runs;
        if (more_runs_fit && batch.bytes < limits.bytes && done + batch.bytes < total) {
            return "a batch that stops although more would fit";
        }
        const std::uint64_t moved = moves(batch.bytes);
        walk.advance(moved, batch.bytes);
        done += moved;
    }
    return done == total ? nullptr : "bytes left out at the end";
}

}  // namespace onecopy::test
