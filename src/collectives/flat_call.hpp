// Calls of little data: everybody puts what others need into its slot, and takes what it needs out
// of theirs.
#pragma once

#include <cstdint>

#include "collectives/call.hpp"
#include "collectives/group.hpp"
#include "node/work.hpp"

namespace onecopy::collectives {

/// Whether all that a rank shows of such a call fits into its slot.
[[nodiscard]] bool is_flat(const Call& call, int ranks) noexcept;

class FlatCall final : public node::Work {
public:
    FlatCall(Group& group, const Call& call) noexcept;

    bool advance() noexcept override;

private:
    enum class State : std::uint8_t { begun, posted };

    void take_results() noexcept;
    void leave() noexcept;
    /// The block at `block_at` of what each shows.
    void gather_blocks(std::uint64_t block_at) noexcept;
    /// The same of the ranks [0, end), combined.
    void fold(int end, std::uint64_t block_at) noexcept;
    [[nodiscard]] const std::byte* bytes_of(int member) const noexcept;
    [[nodiscard]] bool needs(int member) const noexcept;
    [[nodiscard]] int place(int number) const noexcept {
        const int member = group_.rank() + number;
        return member < group_.size() ? member : member - group_.size();
    }

    Group& group_;
    Call call_;
    std::uint64_t signature_;
    std::uint64_t number_;
    int found_ = 1;  // members whose slots were found, from the own on
    State state_ = State::begun;
};

}  // namespace onecopy::collectives
