// What messages of one communicator are matched by: its number, its members, its queues.
#pragma once

#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "node/communicator_blocks.hpp"
#include "node/matching.hpp"

namespace onecopy::node {

/// One thread at a time.
class Context {
public:
    /// `members`: ranks in the job by rank in the communicator. `rank`: ours; -1 while only
    /// messages for it have come, before it was made here.
    explicit Context(std::uint32_t number) noexcept : number_(number) {}
    void open(std::vector<int> members, int rank) {
        members_ = std::move(members);
        rank_ = rank;
    }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
    [[nodiscard]] bool is_open() const noexcept { return rank_ >= 0; }
    [[nodiscard]] int rank() const noexcept { return rank_; }
    [[nodiscard]] int size() const noexcept { return static_cast<int>(members_.size()); }
    [[nodiscard]] bool has(int rank) const noexcept { return rank >= 0 && rank < size(); }
    /// The rank in the job.
    [[nodiscard]] int member(int rank) const noexcept {
        return members_[static_cast<std::size_t>(rank)];
    }
    [[nodiscard]] const std::vector<int>& members() const noexcept { return members_; }
    [[nodiscard]] Matching& matching() noexcept { return matching_; }

    /// What the layer above keeps for this communicator, made when first needed.
    std::shared_ptr<void> above;

    /// What that has of the job's memory: of a communicator that the program has not destroyed, and
    /// of the first of its two contexts.
    std::shared_ptr<CommunicatorBlocks> blocks;

    /// What the program's objects of this communicator own together: of the first context. Of one
    /// that is open and has none any more they are all gone, and it is not opened again.
    std::weak_ptr<void> owned;

    /// Why nothing can be begun here any more; empty: it can.
    std::error_code broken;

private:
    std::uint32_t number_;
    int rank_ = -1;
    std::vector<int> members_;
    Matching matching_;
};

}  // namespace onecopy::node
