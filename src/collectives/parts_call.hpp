// Calls whose blocks have different sizes, which not all ranks know, and reductions of elements
// that no frame holds: a message for each pair of ranks.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "collectives/group.hpp"
#include "collectives/prepared.hpp"
#include "node/operation.hpp"
#include "node/work.hpp"

namespace onecopy::collectives {

class PartsCall final : public node::Work {
public:
    /// `inner`: the context of our own messages. Throws std::bad_alloc.
    PartsCall(Group& group, node::Context& inner, const Prepared& prepared);

    bool advance() noexcept override;

private:
    struct Part {
        std::size_t at = 0, bytes = 0;
    };
    void make_room();
    [[nodiscard]] Part part_of(const Parts& parts, int rank) const noexcept;
    [[nodiscard]] Part whole(std::size_t bytes) const noexcept;
    [[nodiscard]] int operands_of(int rank) const noexcept;
    [[nodiscard]] std::optional<Part> sent_to(int member) const noexcept;
    [[nodiscard]] std::optional<Part> received_from(int member) const noexcept;
    void exchange(int member);
    void take_own(Part out, Part in) noexcept;
    void add(node::Kind kind, int peer, node::Pieces memory);
    void look_at(const node::Operation& over) noexcept;
    void fold() noexcept;

    Group& group_;
    node::Context& inner_;
    Prepared prepared_;
    std::vector<std::unique_ptr<node::Operation>> operations_;  ///< receives first
    std::unique_ptr<std::byte[]> room_;                         ///< operands, by rank; or what goes
    std::size_t own_at_ = 0;                                    ///< of the own operand
    std::size_t begun_ = 0, over_ = 0;
    std::error_code error_;
};

}  // namespace onecopy::collectives
