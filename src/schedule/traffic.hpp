// How many bytes a schedule moves over what, and how few would do.
#pragma once

#include <array>
#include <cstdint>

#include "schedule/domains.hpp"
#include "schedule/schedule.hpp"

namespace onecopy::schedule {

/// Bytes by Link: those of a rank's own memory that it reads and writes are `self`. What is read
/// from another rank counts between the two, and what is written into another's memory, too.
class Traffic {
public:
    [[nodiscard]] std::uint64_t over(Link link) const noexcept {
        return bytes_[static_cast<std::size_t>(link)];
    }
    /// Over this link or a farther one: Link::numa is all that leaves an L3, Link::package a NUMA
    /// node, Link::machine a package.
    [[nodiscard]] std::uint64_t at_least(Link link) const noexcept;

    void add(Link link, std::uint64_t bytes) noexcept {
        bytes_[static_cast<std::size_t>(link)] += bytes;
    }
    /// What a step of `rank` moves.
    void add(const Step& step, int rank, const Domains& where) noexcept;

private:
    std::array<std::uint64_t, 5> bytes_{};
};

/// No schedule without compression moves fewer bytes over such links and farther ones (as
/// Traffic::at_least), wherever the ranks are; where their order fits the places one may come that
/// low at each kind of link at once. For allreduce that is what gossip needs: n people who are to
/// know everything of each other make 2 n - 2 calls if each call informs one side.
/// Link::numa, package or machine.
[[nodiscard]] std::uint64_t least_bytes(const Call& call, const Domains& where, Link link);

}  // namespace onecopy::schedule
