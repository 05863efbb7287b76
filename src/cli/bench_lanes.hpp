// What the processes of `onecopy bench transfer` send their messages through.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <string_view>
#include <vector>

#include "cli/bench_arena.hpp"
#include "cli/bench_timing.hpp"
#include "cli/bench_ways.hpp"
#include "os/fd.hpp"

namespace onecopy::cli {

/// The private memory of both sides, what they share, and pipes: made before the ranks are forked.
class Lanes {
public:
    /// For `count` senders, messages up to `bytes`. Throws Failure, its line opened by `asked`;
    /// std::bad_alloc.
    Lanes(std::string_view asked, std::size_t count, std::size_t bytes);

    [[nodiscard]] std::size_t size() const noexcept { return lanes_.size(); }
    Lane& operator[](std::size_t i) noexcept { return lanes_[i]; }

private:
    std::size_t stride_;
    Memory source_, destination_, whole_, shared_, rings_, meetings_, together_;
    std::deque<ArenaPair> arenas_;
    std::vector<std::array<os::Fd, 2>> pipes_;
    std::vector<Lane> lanes_;
};

}  // namespace onecopy::cli
